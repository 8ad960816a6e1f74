package metrics

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The dashboards ask for metrics that are there, their panels say what they show, and
// none lies upon another.
func TestDashboards(t *testing.T) {
	all, err := declared()
	require.NoError(t, err)
	recorded := map[string]bool{}
	for _, r := range rulesOf(t, "recording.yaml") {
		recorded[r.Record] = true
	}
	shown := map[string]bool{}
	for _, name := range []string{"session", "authsession"} {
		t.Run(name, func(t *testing.T) {
			d, err := ReadDashboard(filepath.Join(root, "deploy/grafana", name+".json"))
			require.NoError(t, err)
			require.Equal(t, "tgsession-"+name, d.UID)
			taken, ids := map[[2]int]string{}, map[int]bool{}
			for _, p := range d.Panels {
				require.False(t, ids[p.ID], "%s: two panels with one id", p.Title)
				ids[p.ID] = true
				require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
				for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
					for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
						require.Empty(t, taken[[2]int{x, y}], "%s lies upon it", p.Title)
						taken[[2]int{x, y}] = p.Title
					}
				}
				if p.Type == "row" {
					continue
				}
				require.NotEmpty(t, p.Description, p.Title)
				require.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
				require.NotEmpty(t, p.Targets, p.Title)
			}
			for _, q := range d.Queries() {
				require.NoError(t, Check(all, q))
				for _, name := range recordedNames.FindAllString(q, -1) {
					require.True(t, recorded[name], "nothing records %s", name)
				}
				for _, m := range all {
					for _, s := range use.FindAllStringSubmatch(q, -1) {
						shown[m.Name] = shown[m.Name] || m.serves(s[1])
					}
				}
			}
		})
	}
	for _, m := range all {
		if m.Ours() && m.Name != "session_rpc_duration_ms" { // recorded
			require.True(t, shown[m.Name], "no dashboard shows %s", m.Name)
		}
	}
}
