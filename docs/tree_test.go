package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sources are the kinds of files that people write here.
var sources = []string{".go", ".md", ".txt", ".proto", ".sql", ".yaml", ".tmpl", ".sh", ".mjs", ".js"}

// foreign are folders that hold nothing of ours, by name.
var foreign = []string{".git", ".cache", "bin", "node_modules", "fuzz"}

// tree returns the texts of the project, by path from this folder, but for the
// TL schemas and vectors, the generated code, and rules.md itself.
func tree(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if slices.Contains(foreign, d.Name()) || path == filepath.Join("..", "proto", "tl", "schema") {
				return filepath.SkipDir
			}
			return nil
		case !slices.Contains(sources, filepath.Ext(path)) || strings.HasSuffix(path, ".pb.go") || filepath.Base(path) == rulesFile:
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 500)
	return files
}
