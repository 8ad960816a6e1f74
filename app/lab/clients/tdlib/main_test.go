package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirstCommand(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, input, err string }{
		{"none", "", ""},
		{"a line that does not end", `{"do":"start"`, "read the first command"},
		{"a line that is too long", strings.Repeat("x", maxLine+1), "read the first command"},
		{"no JSON", "start\n", "is not start"},
		{"another command", `{"id":1,"do":"me"}` + "\n", "is not start"},
		{"no library", `{"id":1,"do":"start","args":{"dir":"` + filepath.Join(dir, "state") + `","key":"x"}}` + "\n", "TDLib"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(dir)
			code, err := serve(filepath.Join(dir, "tdlib"), strings.NewReader(c.input))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Zero(t, code)
		})
	}
}

func TestUnknownCommand(t *testing.T) {
	_, err := run([]string{"fly"})
	require.ErrorContains(t, err, `"fly"`)
}

// Processes with one key share one copy; another key has another, and nothing is
// left of a failure.
func TestPatchedLibraryIsShared(t *testing.T) {
	dir := t.TempDir()
	made := copyFor(dir, []byte("a key"))
	require.NoError(t, os.WriteFile(made, nil, 0o600))
	got, err := patchedLibrary(dir, []byte("a key"))
	require.NoError(t, err)
	require.Equal(t, made, got)

	_, err = patchedLibrary(dir, []byte("another key, which is none"))
	require.Error(t, err)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{made}, left)
}
