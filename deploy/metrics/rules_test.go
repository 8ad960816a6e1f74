package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const rulesDir = root + "/deploy/prometheus"

var recordedNames = regexp.MustCompile(`\btgsession(?::[a-z0-9_]+)+`)

// rule is one of a file of rules of Prometheus.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func rulesOf(t *testing.T, file string) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rulesDir, file))
	require.NoError(t, err)
	var f struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(text, &f))
	for _, g := range f.Groups {
		rules = append(rules, g.Rules...)
	}
	require.NotEmpty(t, rules)
	return rules
}

// What a rule asks for is there, be it a metric or what another rule records.
func TestRulesAskForWhatIsThere(t *testing.T) {
	all, err := declared()
	require.NoError(t, err)
	recorded := map[string]bool{}
	for _, r := range rulesOf(t, "recording.yaml") {
		require.NoError(t, Check(all, r.Expr), r.Record)
		recorded[r.Record] = true
	}
	for _, r := range rulesOf(t, "alerts.yaml") {
		require.NoError(t, Check(all, r.Expr), r.Alert)
		for _, name := range recordedNames.FindAllString(r.Expr, -1) {
			require.True(t, recorded[name], "%s: nothing records %s", r.Alert, name)
		}
	}
}

// Every alert has a page that says what to do, and every page an alert.
func TestRunbooks(t *testing.T) {
	const dir = root + "/docs/runbooks"
	without := map[string]bool{}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		without["docs/runbooks/"+f.Name()] = true
	}
	for _, r := range rulesOf(t, "alerts.yaml") {
		require.Contains(t, []string{"page", "ticket"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		page := r.Annotations["runbook"]
		require.Equal(t, "docs/runbooks/"+r.Alert+".md", page)
		text, err := os.ReadFile(filepath.Join(root, page))
		require.NoError(t, err)
		for _, heading := range []string{"# " + r.Alert, "## What it means", "## What clients see", "## What to do", "## How you know that it is over"} {
			_, below, found := strings.Cut(string(text), heading+"\n")
			require.True(t, found, "%s has no %q", page, heading)
			require.NotEmpty(t, strings.TrimSpace(strings.SplitN(below, "\n#", 2)[0]), "%s: nothing below %q", page, heading)
		}
		delete(without, page)
	}
	require.Empty(t, without, "pages without an alert")
}

// Every alert has a case in which it fires and one in which it does not; promtool
// runs them (make test-rules).
func TestAlertsHaveCases(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rulesDir, "tests/alerts.yaml"))
	require.NoError(t, err)
	var f struct {
		Tests []struct {
			Cases []struct {
				Alertname string
				Alerts    []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &f))
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range f.Tests {
		for _, c := range test.Cases {
			if len(c.Alerts) > 0 {
				fires[c.Alertname] = true
			} else {
				quiet[c.Alertname] = true
			}
		}
	}
	for _, r := range rulesOf(t, "alerts.yaml") {
		require.True(t, fires[r.Alert], "no case in which %s fires", r.Alert)
		require.True(t, quiet[r.Alert], "no case in which %s does not fire", r.Alert)
	}
}
