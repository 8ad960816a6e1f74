// Package dashboards asks a Prometheus that scrapes a cluster under load for all
// that the dashboards and rules of deploy ask for.
package dashboards

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tgsession/tgsession/app/lab/bench"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/deploy/metrics"
)

const deployDir = "../../../../deploy"

// Every series that a dashboard or a rule asks for is there under load, or is one of
// those of which zero-at-rest.txt says what makes them appear; and every query of a
// dashboard whose series are there returns something.
func TestDashboards(t *testing.T) {
	programs, built := os.Getenv("TEST_PROMETHEUS"), os.Getenv("TEST_BUILT")
	if programs == "" || built == "" {
		t.Skip("TEST_PROMETHEUS and TEST_BUILT name no folders with prometheus and the pair: make test-dashboards does")
	}
	s := servers.Start(t)
	session, authsession := freeAddr(t), freeAddr(t)
	c, err := cluster.Start(t.Context(), cluster.Config{
		Dir: t.TempDir(), MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd},
		Session: []string{filepath.Join(built, "session")}, AuthSession: []string{filepath.Join(built, "authsession")},
		SessionYAML: measured(session), AuthSessionYAML: measured(authsession) + "\nSweep: {Period: 10s}",
		StreamSession: true,
	})
	require.NoError(t, err)
	defer c.Close()
	p := startPrometheus(t, programs, session, authsession)
	// Twice: a rate is of what is counted after the first time, and some calls are
	// made by logins alone.
	for range 2 {
		report, err := bench.Run(t.Context(), bench.Config{
			Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Phone: "99966", Code: bff.DefaultCode,
			Clients: 8, Duration: 8 * time.Second, Rate: 100, Mix: bench.Mix{6, 3, 1},
		})
		require.NoError(t, err)
		require.Zero(t, report.Errors())
	}

	dashboards, rules := dashboardQueries(t), ruleQueries(t)
	atRest, asked := zeroAtRest(t), map[string]bool{}
	absent := func(query string) (missing []string) {
		for _, series := range metrics.Selectors(query) {
			asked[series] = true
			if p.has(t, series) {
				continue
			}
			if atRest[series] == "" {
				t.Errorf("no series %s, and zero-at-rest.txt does not say why; asked for by %s", series, query)
			}
			missing = append(missing, series)
		}
		return missing
	}
	// What is recorded of series that come late comes later still.
	require.Eventually(t, func() bool { return p.has(t, "tgsession:cache_hits:ratio5m") }, time.Minute, time.Second)
	for _, q := range rules {
		p.query(t, q) // an alert that does not fire returns nothing
		absent(q)
	}
	for _, q := range dashboards {
		if len(absent(q)) == 0 && !p.has(t, q) {
			t.Errorf("all its series are there, and it returns nothing: %s", q)
		}
	}
	for series := range atRest {
		if !asked[series] {
			t.Errorf("zero-at-rest.txt names %s, which nothing asks for", series)
		}
	}
	t.Logf("%d queries of dashboards and %d of rules ask for %d series, %d of which may be absent", len(dashboards), len(rules), len(asked), len(atRest))
}

func freeAddr(t *testing.T) string {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	return addr
}

// measured are the lines that have a service serve its metrics.
func measured(addr string) string {
	host, port, _ := strings.Cut(addr, ":")
	return fmt.Sprintf("Prometheus: {Host: %s, Port: %s, Path: /metrics}", host, port)
}

// prometheus is one that scrapes the cluster.
type prometheus struct{ url string }

// startPrometheus has it scrape each second, with the rules of this repository.
func startPrometheus(t *testing.T, programs, session, authsession string) *prometheus {
	dir, addr := t.TempDir(), freeAddr(t)
	rules, err := filepath.Abs(filepath.Join(deployDir, "prometheus"))
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q, %q]
scrape_configs:
  - {job_name: session, static_configs: [{targets: [%q]}]}
  - {job_name: authsession, static_configs: [{targets: [%q]}]}
`, rules+"/recording.yaml", rules+"/alerts.yaml", session, authsession), 0o600))
	child, err := proc.Start(proc.Spec{Name: "prometheus", Output: filepath.Join(dir, "out"), Args: []string{
		filepath.Join(programs, "prometheus"), "--config.file", config,
		"--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr,
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = child.Kill(t.Context()) })
	p := &prometheus{url: "http://" + addr}
	require.Eventually(t, func() bool {
		r, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "prometheus does not serve")
	return p
}

// query returns how many series a query has, NaN ones not counted: those are ratios
// of nothing.
func (p *prometheus) query(t *testing.T, query string) (n int) {
	r, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(query))
	require.NoError(t, err)
	defer r.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	require.NoError(t, json.NewDecoder(r.Body).Decode(&answer), query)
	require.Equal(t, "success", answer.Status, "%s: %s", query, answer.Error)
	for _, s := range answer.Data.Result {
		if s.Value[1] != "NaN" {
			n++
		}
	}
	return n
}

func (p *prometheus) has(t *testing.T, query string) bool { return p.query(t, query) > 0 }

func dashboardQueries(t *testing.T) (list []string) {
	files, err := filepath.Glob(filepath.Join(deployDir, "grafana/*.json"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, file := range files {
		d, err := metrics.ReadDashboard(file)
		require.NoError(t, err)
		list = append(list, d.Queries()...)
	}
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

func ruleQueries(t *testing.T) (list []string) {
	for _, name := range []string{"recording.yaml", "alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join(deployDir, "prometheus", name))
		require.NoError(t, err)
		var f struct {
			Groups []struct{ Rules []struct{ Expr string } }
		}
		require.NoError(t, yaml.Unmarshal(text, &f))
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				list = append(list, r.Expr)
			}
		}
	}
	require.NotEmpty(t, list)
	return list
}

// zeroAtRest maps series that may be absent to what makes them appear.
func zeroAtRest(t *testing.T) map[string]string {
	f, err := os.Open(filepath.Join(deployDir, "grafana/zero-at-rest.txt"))
	require.NoError(t, err)
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		series, why, found := strings.Cut(line, "  ")
		require.True(t, found, "%q does not say what makes it appear", line)
		out[series] = strings.TrimSpace(why)
	}
	return out
}
