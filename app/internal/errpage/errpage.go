// Package errpage holds a catalogue of errors against the code and the page of its
// service. Both services have a catalogue, package rpcerr of each; what is asked of them
// is the same. It is for tests alone.
package errpage

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fresh requires that the file at path has text; update writes it. Command is what makes
// a stale file fresh.
func Fresh(t *testing.T, path, text string, update bool, command string) {
	t.Helper()
	if update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	found, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, string(found), "run %s", command)
}

// Rows requires that rows name each exported variable of the files, and nothing else. An
// error that several see may have several.
func Rows(t *testing.T, rows []string, files ...string) {
	t.Helper()
	var declared []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, v := range s.(*ast.ValueSpec).Names {
					if v.IsExported() {
						declared = append(declared, v.Name)
					}
				}
			}
		}
	}
	slices.Sort(declared)
	require.Equal(t, declared, slices.Compact(slices.Sorted(slices.Values(rows))), "each error has a row, and each row an error")
}

// NoOthers requires that no line of the code below root makes an error in place, which
// pattern matches. Folders named in skip and tests may; at least so many files are looked
// at.
func NoOthers(t *testing.T, root string, pattern *regexp.Regexp, least int, skip ...string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skip, d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for n, line := range strings.Split(string(text), "\n") {
			require.False(t, pattern.MatchString(line), "%s:%d: take it from package rpcerr: %s", path, n+1, line)
		}
		return nil
	}))
	require.Greater(t, files, least)
}
