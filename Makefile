# Targets for operators and engineers; `make` lists them.
SHELL   := bash
TOOLS   := CGO_ENABLED=0 go tool -modfile=$(CURDIR)/.ci/tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/tgsession/tgsession/app/internal/buildinfo.Version=$(VERSION)
LAB     := CGO_ENABLED=0 go run -C app/lab ./cmd/lab
FUZZTIME ?= 1m
SEEDS ?= 200
START ?= 1
CLIENTS ?=
ENGINES ?=
SHORT ?=
SOAK     ?= 10m
CHAOS    ?= 10m
SEED     ?=
FAULTS   ?=
PAIRS    ?=
ROWS     ?=
HTML     ?=
JSON     ?=
PROFILE  ?=
LOGINS   ?= 1000000
PICTURES ?=

# One way to build, so that the dependencies are compiled once (.ci/env).
export GOFLAGS := $(strip $(filter-out -trimpath,$(shell go env GOFLAGS)) -trimpath)

.DEFAULT_GOAL := help
.PHONY: help demo demo-desktop run build lab test test-unit test-integration sim chaos test-engines test-clients soak-clients test-rules test-dashboards test-console test-units packages test-packages lint proto bench bench-floor bench-growth pgo bench-tl bench-authsession bench-console sizes soak-authsession fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## start everything on embedded parts and drive it with a real MTProto client
	@$(LAB) demo

demo-desktop: ## have Telegram Desktop log in to a cluster; makes docs/img/desktop.png (Debian: telegram-desktop, xvfb, xdotool)
	@$(LAB) desktop -screenshot $(CURDIR)/docs/img/desktop.png

run: ## start everything on embedded parts and leave it running (Ctrl-C ends it)
	@$(LAB) run

build: ## build session and authsession into teamgramd/bin
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o teamgramd/bin/session ./app/interface/session/cmd/session
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o teamgramd/bin/authsession ./app/service/authsession/cmd/authsession

lab: ## build teamgramd/bin/lab: lab tlgen, lab tl and the other tools of the lab
	CGO_ENABLED=0 go build -C app/lab -ldflags '$(LDFLAGS)' -o $(CURDIR)/teamgramd/bin/lab ./cmd/lab

test: ## run all tests; finds, starts or installs MariaDB, Redis and etcd
	@.ci/with-servers .ci/test all

test-unit: ## run the tests that need no server
	@.ci/test unit

test-integration: ## run the tests against real MariaDB, Redis and etcd
	@.ci/with-servers .ci/test integration

test-engines: ## run authsession on MySQL, Galera, a switchover, Redis Sentinel and more, under load: ENGINES="galera redis" chooses
	@.ci/test-engines $(ENGINES)

test-clients: build ## walk real clients through a cluster: CLIENTS=gotd,mtcute chooses, SHORT=1 is the short form
	@.ci/with-clients env $(LAB) clients -session $(CURDIR)/teamgramd/bin/session -authsession $(CURDIR)/teamgramd/bin/authsession \
		-only '$(CLIENTS)' $(if $(SHORT),-short)

# Those that keep a connection by themselves; @mtproto/core says nothing unasked.
SOAKING := TDLib,mtcute 0.30.3 PFS,GramJS 2.26,gotd

soak-clients: build ## use real clients, and leave some alone, for SOAK (10m); 75m is over two changes of salts
	@.ci/with-clients env $(LAB) clients -session $(CURDIR)/teamgramd/bin/session -authsession $(CURDIR)/teamgramd/bin/authsession \
		-only '$(or $(CLIENTS),$(SOAKING))' -soak $(SOAK)

# Servers of its own, which it may end; those of .ci/with-servers are for where
# no programs are installed.
chaos: build ## end, stop and cut off the parts of a cluster for CHAOS (10m) while clients talk: SEED repeats a plan, SHORT=1 is the short form
	@CGO_ENABLED=0 go build -C app/lab -o $(CURDIR)/.cache/etcd go.etcd.io/etcd/server/v3
	@TEST_DURABLE=1 .ci/with-clients .ci/with-servers bash -c '$(LAB) chaos -session $(CURDIR)/teamgramd/bin/session -authsession $(CURDIR)/teamgramd/bin/authsession \
		-mysql "$$TEST_MYSQL_DSN" -redis "$$TEST_REDIS_ADDR" -etcd "$$TEST_ETCD_ENDPOINTS" -etcd-program $(CURDIR)/.cache/etcd -programs clients \
		-for $(CHAOS) $(if $(SEED),-seed $(SEED)) $(if $(SHORT),-short) $(if $(FAULTS),-only "$(FAULTS)")'

sim: ## simulate clusters of session nodes: SEEDS (200) runs from START (1) on; SIM_TRACE=1 prints all, SIM_ALL=1 goes on after one that fails
	@SIM_START=$(START) SIM_SEEDS=$(SEEDS) SIM_TRACE=$(SIM_TRACE) SIM_ALL=$(SIM_ALL) CGO_ENABLED=0 go test -count=1 -v -timeout 0 -run '^TestSeeds$$' ./app/interface/session/internal/sim

test-rules: ## check the rules for Prometheus and run their cases (promtool: an installed one, or Debian's)
	@.ci/test-rules

test-dashboards: build ## ask a Prometheus that scrapes a cluster under load for all that dashboards and rules ask for
	@.ci/with-servers env TEST_PROMETHEUS="$$(.ci/prometheus)" TEST_BUILT=$(CURDIR)/teamgramd/bin CGO_ENABLED=0 go test -C app/lab -count=1 -v ./integration/dashboards

test-console: ## have a headless Chromium use the session console of a cluster (Chromium: an installed one, or Debian's); PICTURES=1 makes docs/img/console-*.png, SHORT=1 is the short form
	@CGO_ENABLED=0 go build -C app/lab -ldflags '-s -w' -o $(CURDIR)/.cache/lab ./cmd/lab
	@.ci/with-chromium env TEST_LAB=$(CURDIR)/.cache/lab TEST_PICTURES=$(if $(PICTURES),$(CURDIR)/docs/img) CGO_ENABLED=0 go test -C app/lab -count=1 -v ./integration/console \
		$(if $(SHORT),-run 'TestConsole/(an_operator_ends_a_device|what_the_policy_stops|headers)')

bench-console: ## measure the session console in a headless Chromium among LOGINS (1000000) logins in MariaDB
	@CGO_ENABLED=0 go build -C app/lab -ldflags '-s -w' -o $(CURDIR)/.cache/lab ./cmd/lab
	@.ci/with-chromium .ci/with-servers env TEST_LAB=$(CURDIR)/.cache/lab TEST_CONSOLE_LOGINS=$(LOGINS) CGO_ENABLED=0 go test -C app/lab -count=1 -v -timeout 30m -run TestManyLogins ./integration/console

sizes: build ## measure what a node has open and a login takes in MariaDB and Redis (docs/sizing.md)
	@.ci/with-servers env TEST_BUILT=$(CURDIR)/teamgramd/bin CGO_ENABLED=0 go test -C app/lab -count=1 -v ./integration/sizing

test-units: ## check the units of systemd (systemd-analyze)
	@.ci/test-units

packages: ## make a .deb, an .rpm, lists of what they are built from, and their sums, in dist
	@.ci/packages dist

test-packages: ## make them twice, in two folders, and compare; install, upgrade, start on real stores and remove both kinds where this is root on Debian
	@.ci/packages-twice
	@.ci/package-installed dist

lint: ## run the linters
	$(TOOLS) golangci-lint run --allow-parallel-runners ./...
	cd app/lab && $(TOOLS) golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...
	cd proto/tl && $(TOOLS) golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...
	cd proto/tl/bench && $(TOOLS) golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...
	cd deploy/helm && $(TOOLS) golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...

proto: ## regenerate everything generated: gRPC code and the embedded TL tables
	cd .ci/tools && CGO_ENABLED=0 go build -o $(CURDIR)/.cache/protogen ./protogen
	.cache/protogen
	CGO_ENABLED=0 go generate -C proto/tl ./...

bench: ## run the benchmarks
	CGO_ENABLED=0 go test -run '^$$' -bench . -benchmem ./...
	CGO_ENABLED=0 go test -C proto/tl -run '^$$' -bench . -benchmem .

bench-floor: build ## measure what session costs beside a bare gRPC program (10 minutes): PAIRS, ROWS=call,push, SHORT=1, HTML=file, JSON=file, PROFILE=folder
	@$(LAB) bench --floor -session $(CURDIR)/teamgramd/bin/session $(if $(SHORT),-short) $(if $(PAIRS),-pairs $(PAIRS)) \
		$(if $(ROWS),-rows $(ROWS)) $(if $(HTML),-html $(abspath $(HTML))) $(if $(JSON),-json $(abspath $(JSON))) \
		$(if $(PROFILE),-profile $(abspath $(PROFILE)))

bench-growth: build ## measure calls and pushes with 1,000, 10,000 and 100,000 active keys: PAIRS, ROWS
	@$(LAB) bench --floor -session $(CURDIR)/teamgramd/bin/session -growth 1000,10000,100000 -pairs $(or $(PAIRS),5) $(if $(ROWS),-rows $(ROWS))

# From a program that was built without a profile, so that each comes from the code alone.
pgo: ## profile session under the load of bench-floor for the compiler: makes app/interface/session/cmd/session/default.pgo
	@rm -rf .cache/pgo && mkdir -p .cache/pgo
	@CGO_ENABLED=0 go build -pgo=off -o .cache/pgo/session ./app/interface/session/cmd/session
	@$(LAB) bench --floor -session $(CURDIR)/.cache/pgo/session -skip-idle -pairs 1 -profile $(CURDIR)/.cache/pgo
	@go tool pprof -proto .cache/pgo/*.cpu > .cache/pgo/all 2>/dev/null
	@cd .ci/tools && CGO_ENABLED=0 go run ./pgo $(CURDIR)/.cache/pgo/all $(CURDIR)/app/interface/session/cmd/session/default.pgo

bench-tl: ## compare the TL engine with gotd's codec, dynamicpb and memmove
	@CGO_ENABLED=0 go run -C proto/tl/bench .

bench-authsession: ## list a million sessions, migrate a stock install in use, time cached calls
	@TEST_DURABLE=1 .ci/with-servers .ci/bench-authsession

soak-authsession: ## hold what readers of the cache see against its promise for SOAK (10m)
	@.ci/with-servers env TEST_SOAK=$(SOAK) go test -race -v -count=1 -timeout=0 -run History ./app/service/authsession/internal/lease ./app/service/authsession/internal/dao

fuzz: ## run every fuzz target for FUZZTIME (1m)
	@.ci/fuzz $(FUZZTIME)

clean: ## remove what the other targets built
	rm -rf teamgramd/bin .cache dist
