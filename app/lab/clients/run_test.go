package clients

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/cluster"
)

// programs is a folder with one program that cannot be made and one that can.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"absent": `{"needs":["no-such-command"],"run":["x"],"clients":[{"name":"Absent 1","short":true},{"name":"Absent 2"}]}`,
		"here":   `{"run":["true"],"clients":[{"name":"Here 1","short":true}]}`,
	} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, program.ManifestFile), []byte(text), 0o600))
	}
	return dir
}

var errNoCluster = errors.New("no cluster today")

func noCluster(context.Context, Needs) (*cluster.Cluster, error) { return nil, errNoCluster }

func TestClientsThatCannotBeMadeAreSkipped(t *testing.T) {
	for _, tc := range []struct {
		name  string
		only  []string
		short bool
		want  []string
	}{
		{"by name", []string{"absent"}, false, []string{"Absent 1", "Absent 2"}},
		{"by name, whatever the form", []string{"sent 2"}, true, []string{"Absent 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var progress strings.Builder
			table, err := Run(t.Context(), Config{
				Programs: programs(t), Dir: t.TempDir(), Start: noCluster, Only: tc.only, Short: tc.short, Progress: &progress,
			})
			require.NoError(t, err, "without clients no cluster is needed")
			require.Zero(t, table.Failed())
			var out strings.Builder
			table.Print(&out)
			for _, c := range tc.want {
				require.Contains(t, out.String(), c+" was skipped: no-such-command is not installed")
				require.Contains(t, progress.String(), c)
			}
			require.Equal(t, len(tc.want), strings.Count(out.String(), "skipped"))
		})
	}
}

func TestRunMistakes(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no such step", Config{Programs: programs(t), Steps: []string{"dance"}}, `no step "dance"; there are connect, login`},
		{"no such client", Config{Programs: programs(t), Only: []string{"omega"}}, `none has one of ["omega"]`},
		{"no programs", Config{Programs: t.TempDir()}, "no folder"},
		{"no cluster", Config{Programs: programs(t), Only: []string{"here"}}, errNoCluster.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Dir, tc.cfg.Start = t.TempDir(), noCluster
			_, err := Run(t.Context(), tc.cfg)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestForms(t *testing.T) {
	full, long := step{name: "x"}, step{name: "long", full: true}
	for _, tc := range []struct {
		name string
		cfg  Config
		step step
		want bool
	}{
		{"any step", Config{}, full, true},
		{"a long step", Config{}, long, true},
		{"a long step of the short form", Config{Short: true}, long, false},
		{"a long step that is named", Config{Short: true, Steps: []string{"long"}}, long, true},
		{"a step that is not named", Config{Steps: []string{"long"}}, full, false},
		{"the login, which others need", Config{Steps: []string{"long"}}, step{name: "login"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, (&run{cfg: tc.cfg}).asked(tc.step)) })
	}
}
