package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const (
	root     = "../.."
	pagePath = root + "/docs/metrics.md"
)

// declared are the metrics of the tree.
var declared = sync.OnceValues(func() ([]Metric, error) { return Read(root) })

// The catalogue is what the code declares, in words that tell something.
func TestPageIsFresh(t *testing.T) {
	all, err := declared()
	require.NoError(t, err)
	page, err := Page(all)
	require.NoError(t, err)
	page += alerts(rulesOf(t, "alerts.yaml"))
	if *update {
		require.NoError(t, os.WriteFile(pagePath, []byte(page), 0o644))
	}
	have, err := os.ReadFile(pagePath)
	require.NoError(t, err)
	if page != string(have) {
		t.Errorf("docs/metrics.md is stale: go test ./deploy/metrics -update\n%s", firstDifference(string(have), page))
	}
	for _, m := range all {
		require.True(t, !m.Ours() || strings.Count(m.Help, " ") >= 2 && strings.HasSuffix(m.Help, "."), "%s: its help %q is no sentence", m.Name, m.Help)
	}
}

// firstDifference is the first line in which two texts differ, as either has it.
func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(a)-1 && i < len(b)-1 && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("line %d is\n%s\nand should be\n%s", i+1, a[i], b[i])
}

// alerts is the section of the page that leads to their runbooks.
func alerts(rules []rule) string {
	var b strings.Builder
	b.WriteString("\n## Alerts\n\nThose of `deploy/prometheus/alerts.yaml`, with what to do:\n\n| Alert | Severity | After |\n|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](runbooks/%s.md) | %s | %s |\n", r.Alert, r.Alert, r.Labels["severity"], r.For)
	}
	return b.String()
}

// A label whose values are computed is refused until somebody says what bounds it,
// and a bound without a label is, too.
func TestPageWantsBounds(t *testing.T) {
	m := Metric{Name: "session_x_total", Type: "counter", Help: "What is x.", Package: ours + "x", Services: []string{"session"}}
	for _, c := range []struct {
		name  string
		label Label
		want  string
	}{
		{"computed", Label{Name: "user", Computed: []string{"u.ID"}}, "its label user is computed (u.ID)"},
		{"computed beside written ones", Label{Name: "user", Values: []string{"none"}, Computed: []string{"u.ID"}}, "its label user is computed (u.ID)"},
		{"never given", Label{Name: "user"}, "nothing gives its label user a value"},
		{"all written", Label{Name: "how", Values: []string{"fast"}}, "is no label whose values the code computes"}, // the entries of others
	} {
		t.Run(c.name, func(t *testing.T) {
			m := m
			m.Labels = []Label{c.label}
			_, err := Page([]Metric{m})
			require.ErrorContains(t, err, c.want)
		})
	}
}
