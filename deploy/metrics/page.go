package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// preface is the page before its tables.
const preface = `# Metrics

Written by ` + "`go test ./deploy/metrics -update`" + ` from the source; the test fails where it
is not up to date. Served where ` + "`Prometheus` or `DevServer`" + ` of the configuration says.
Beside these there are ` + "`go_*` and `process_*`" + ` of the Prometheus client for Go.

No label names a user, a key, a message or an address of a client, and no label's
values are chosen by who calls: what the code writes as it stands is listed below,
and of everything else it says what bounds it. A label for which it does not is an
error of the test, also where somebody adds a value that is computed.

A histogram has the series ` + "`_bucket`, `_sum` and `_count`" + `. Counters and histograms
have no series until something was counted, and gauges none until they were set.

Health is ` + "`grpc.health.v1`; it turns `NOT_SERVING`" + ` before a node drains. Rules are in
` + "`deploy/prometheus`, what to do about alerts in `docs/runbooks`, dashboards in `deploy/grafana`" + `.

Of what go-zero declares the pair never serves the ` + "`sql_client_*`" + ` of the pool of
connections: that pool is authsession's own, and ` + "`go_sql_*{db_name=\"mysql\"}`" + ` tells of
it. ` + "`redis_client_*`" + ` are served only where ` + "`Auth: true`" + ` asks a Redis for tokens: the
cache's client is not go-zero's, and ` + "`authsession_cache_requests_total{result=\"error\"}`" + `
counts what fails there.
`

// Page is docs/metrics.md for these metrics. An error names a label that nothing
// bounds, or a bound that belongs to no label.
func Page(all []Metric) (string, error) {
	var b strings.Builder
	b.WriteString(preface)
	used := map[string]bool{}
	for _, section := range []struct {
		title string
		has   func(Metric) bool
	}{
		{"session", func(m Metric) bool { return m.Ours() && slices.Equal(m.Services, []string{"session"}) }},
		{"authsession", func(m Metric) bool { return m.Ours() && slices.Equal(m.Services, []string{"authsession"}) }},
		{"Both, our own", func(m Metric) bool { return m.Ours() && len(m.Services) > 1 }},
		{"go-zero's", func(m Metric) bool { return !m.Ours() }},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| Metric | Type | Labels | Tells |\n|---|---|---|---|\n", section.title)
		for _, m := range all {
			if !section.has(m) {
				continue
			}
			row, err := m.row(used)
			if err != nil {
				return "", err
			}
			b.WriteString(row)
		}
	}
	for entry := range bounds {
		if !used[entry] {
			return "", fmt.Errorf("bounds.go: %s is no label whose values the code computes", entry)
		}
	}
	return b.String(), nil
}

func (m Metric) row(used map[string]bool) (string, error) {
	kind := m.Type
	if u := m.Unit(); u != "" {
		kind += ", " + u
	}
	var labels []string
	for _, l := range m.Labels {
		text, err := m.values(l, used)
		if err != nil {
			return "", err
		}
		labels = append(labels, fmt.Sprintf("`%s`: %s", l.Name, text))
	}
	tells := m.Help
	if !m.Ours() && len(m.Services) == 1 {
		tells = strings.TrimSuffix(tells, ".") + " (" + m.Services[0] + " alone)."
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", m.Name, kind, strings.Join(labels, "; "), strings.ReplaceAll(tells, "|", `\|`)), nil
}

// values says what a label can be.
func (m Metric) values(l Label, used map[string]bool) (string, error) {
	var parts []string
	for _, v := range l.Values {
		parts = append(parts, "`"+v+"`")
	}
	if m.Ours() && len(l.Computed) == 0 && len(parts) > 0 {
		return strings.Join(parts, ", "), nil
	}
	entry := m.Name + "{" + l.Name + "}"
	if !m.Ours() {
		entry = strings.Join(strings.SplitN(m.Name, "_", 3)[:2], "_") + "_*{" + l.Name + "}"
	}
	text, ok := bounds[entry]
	if !ok && m.Ours() && len(l.Computed) == 0 {
		return "", fmt.Errorf("%s: nothing gives its label %s a value", m.Name, l.Name)
	}
	if !ok {
		return "", fmt.Errorf("%s: its label %s is computed (%s), and bounds.go has no %s that says what it can be", m.Name, l.Name, strings.Join(l.Computed, ", "), entry)
	}
	used[entry] = true
	return strings.Join(append(parts, text), ", "), nil
}
