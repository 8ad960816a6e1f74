# Targets for operators and engineers; `make` lists them.
SHELL   := bash
TOOLS   := go tool -modfile=$(CURDIR)/.ci/tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/tgsession/tgsession/app/internal/buildinfo.Version=$(VERSION)
LAB     := CGO_ENABLED=0 go run -C app/lab ./cmd/lab
FUZZTIME ?= 1m

# Packages of the lab that hold the embedded servers: their own code is not
# race-clean, so they are tested without the detector (and share the build
# of the demo).
EMBEDDED := ./embedded/... ./cluster/...

.DEFAULT_GOAL := help
.PHONY: help demo run build test test-unit test-integration lint proto bench bench-tl fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## start everything on embedded parts and drive it with a real MTProto client
	@$(LAB) demo

run: ## start everything on embedded parts and leave it running (Ctrl-C ends it)
	@$(LAB) run

build: ## build session and authsession into teamgramd/bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o teamgramd/bin/session ./app/interface/session/cmd/session
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o teamgramd/bin/authsession ./app/service/authsession/cmd/authsession

test: ## run all tests; finds, starts or installs MariaDB, Redis and etcd
	@.ci/with-servers .ci/test all

test-unit: ## run the tests that need no server
	@.ci/test unit

test-integration: ## run the tests against real MariaDB, Redis and etcd
	@.ci/with-servers .ci/test integration

lint: ## run the linters
	$(TOOLS) golangci-lint run ./...
	cd app/lab && $(TOOLS) golangci-lint run --config $(CURDIR)/.golangci.yml ./...
	cd proto/tl/bench && $(TOOLS) golangci-lint run --config $(CURDIR)/.golangci.yml ./...

proto: ## regenerate everything generated: gRPC code and the embedded TL tables
	cd .ci/tools && go build -o $(CURDIR)/.cache/protogen ./protogen
	.cache/protogen
	go generate ./proto/tl/...

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-tl: ## compare the TL engine with gotd's codec, dynamicpb and memmove
	@go run -C proto/tl/bench .

fuzz: ## run every fuzz target for FUZZTIME (1m)
	@.ci/fuzz $(FUZZTIME)

clean: ## remove what the other targets built
	rm -rf teamgramd/bin .cache
