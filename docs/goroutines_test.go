package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// concurrentTrees are the folders whose packages goroutines.md lists.
var concurrentTrees = []string{"app/interface/session", "app/service/authsession", "app/internal"}

// isConcurrent reports whether a node of a file starts a goroutine or names the type of a
// mutex: a go statement, a call of a method Go or of AfterFunc, sync.Mutex, sync.RWMutex
// or sync.Cond.
func isConcurrent(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		return ok && (f.Sel.Name == "Go" || f.Sel.Name == "AfterFunc")
	case *ast.SelectorExpr:
		from, ok := n.X.(*ast.Ident)
		return ok && from.Name == "sync" && (n.Sel.Name == "Mutex" || n.Sel.Name == "RWMutex" || n.Sel.Name == "Cond")
	}
	return false
}

// concurrent are the packages of a tree that have goroutines or locks, by their path from
// the root of the project.
func concurrent(t *testing.T, tree string) map[string]bool {
	t.Helper()
	packages := map[string]bool{}
	root := filepath.Join("..", filepath.FromSlash(tree))
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		ast.Inspect(file, func(n ast.Node) bool {
			if isConcurrent(n) {
				packages[path.Join(tree, filepath.ToSlash(folder))] = true
			}
			return true
		})
		return err
	}))
	return packages
}

// A package with goroutines or locks has a row in goroutines.md, and no other has.
func TestGoroutinesNamesEachPackage(t *testing.T) {
	heading, row := regexp.MustCompile("^## `([^`]+)`$"), regexp.MustCompile("^\\| `([^`]+)` \\|")
	rows, tree := map[string]bool{}, ""
	for line := range strings.SplitSeq(read(t, "goroutines.md"), "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			tree = m[1]
		} else if m := row.FindStringSubmatch(line); m != nil {
			name := path.Join(tree, m[1])
			require.False(t, rows[name], "%s has two rows", name)
			rows[name] = true
		}
	}
	for _, tree := range concurrentTrees {
		for name := range concurrent(t, tree) {
			if !rows[name] {
				t.Errorf("%s starts goroutines or has a mutex, and goroutines.md has no row for it", name)
			}
			delete(rows, name)
		}
	}
	for name := range rows {
		t.Errorf("goroutines.md has a row for %s, which starts no goroutine and has no mutex", name)
	}
}
