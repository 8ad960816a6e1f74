package program_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/clients/program"
)

func TestManifestMistakes(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no JSON", `run`, "invalid character"},
		{"unknown field", `{"run":["x"],"clients":[{"name":"it"}],"runs":1}`, `unknown field "runs"`},
		{"nothing to run", `{"clients":[{"name":"it"}]}`, `"run" is missing`},
		{"no clients", `{"run":["x"]}`, `"clients" is empty`},
		{"a client without a name", `{"run":["x"],"clients":[{}]}`, "no name"},
		{"unknown clock", `{"run":["x"],"clients":[{"name":"it"}],"clock":"sun"}`, `unknown "clock": "sun"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, tc.text)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, program.ManifestFile)
		})
	}
	_, err := program.Load(t.TempDir())
	require.ErrorContains(t, err, "no folder")
}

// The manifests of this repository can be read.
func TestManifests(t *testing.T) {
	all, err := program.Load("..")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, m := range all {
		for _, c := range m.Clients {
			require.False(t, names[c.Name], "two clients are called %s", c.Name)
			names[c.Name] = true
		}
	}
}

func TestPrepare(t *testing.T) {
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	made := func(m *program.Manifest) error { return m.Prepare(t.Context(), bin, log) }

	t.Run("it is made in its folder, into the folder of binaries", func(t *testing.T) {
		m := folder(t, `{"make":[["sh","-c","pwd; cp client.json ${BIN}/it"]],"run":["x"],"clients":[{"name":"it"}]}`)
		require.NoError(t, made(m))
		require.FileExists(t, filepath.Join(bin, "it"))
		require.Equal(t, "it", m.Name())
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Contains(t, string(text), "/it\n")
	})
	t.Run("two make it at once, and one after the other", func(t *testing.T) {
		m := folder(t, `{"make":[["sh","-c","mkdir making && sleep 0.1 && rmdir making"]],"run":["x"],"clients":[{"name":"it"}]}`)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { assert.NoError(t, made(m)) })
		}
		all.Wait()
	})
	t.Run("a command is missing", func(t *testing.T) {
		err := made(folder(t, `{"needs":["sh","no-such-command"],"run":["x"],"clients":[{"name":"it"}]}`))
		require.EqualError(t, err, "no-such-command is not installed")
	})
	t.Run("it cannot be made", func(t *testing.T) {
		err := made(folder(t, `{"make":[["sh","-c","exit 4"]],"run":["x"],"clients":[{"name":"it"}]}`))
		require.ErrorContains(t, err, "sh -c exit 4: exit status 4")
		require.ErrorContains(t, err, log)
	})
	t.Run("it is made once", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "it")
		require.NoError(t, os.Mkdir(dir, 0o700))
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		write(program.ManifestFile, `{"make":[["sh","-c","echo made >>made"]],"from":"from","made":"made","run":["x"],"clients":[{"name":"it"}]}`)
		write("from", "1")
		all, err := program.Load(filepath.Dir(dir))
		require.NoError(t, err)
		times := func(want string) {
			t.Helper()
			require.NoError(t, made(all[0]))
			text, err := os.ReadFile(filepath.Join(dir, "made"))
			require.NoError(t, err)
			require.Equal(t, want, string(text))
		}
		times("made\n")
		times("made\n")
		later := time.Now().Add(time.Minute)
		require.NoError(t, os.Chtimes(filepath.Join(dir, "from"), later, later))
		times("made\nmade\n")
	})
}
