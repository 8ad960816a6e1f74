package sess

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parts are the parts of the machine's state, and the file of each.
var parts = map[string]string{
	"login": "login.go", "pushes": "pushes.go", "presence": "presence.go", "binding": "bind.go", "profile": "profile.go",
	"goneSessions": "gone.go", "pendingCalls": "calls.go", "subscription": "subscription.go",
}

// Each part of the state is written by its own methods alone, which stand in one
// file: who wants to know why a field has its value reads that file.
func TestStateIsWrittenByItsOwnMethods(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	sources := map[string]any{}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			sources[name] = nil // read from the file
		}
	}
	said := docSection(t, "The parts of the state")
	for name, file := range parts {
		require.Contains(t, sources, file, name)
		require.Regexp(t, `\t`+name+` .* `+file+`\n`, said)
	}
	require.Equal(t, len(parts), strings.Count(said, "\n\t"), "parts that doc.go names")
	for _, write := range strangeWrites(t, sources, parts) {
		t.Error(write)
	}
}

// The check above finds every kind of write. Each line of the source that is one
// says so.
func TestStrangeWritesAreFound(t *testing.T) {
	const own = `package p
type part struct { n int; list []int; inner inner; table map[int]int; array [2]inner; other *inner }
type inner struct { n int }
func (i *inner) grow() { i.n++ }
func (i inner) size() int { return i.n }
func (p *part) grow() { p.n++; p.inner.grow() }
func (p part) size() int { return p.n }
func (p *part) next() *part { return p }
func made() *part { return &part{n: 1} } // write
`
	const strange = `package p
import "slices"
type whole struct { part part; embeds }
type embeds struct { part }
func (w *whole) f(p *part) (out []*int) {
	w.part.n = 1 // write
	w.part.n, _ = 1, 2 // write
	w.part.n += 1 // write
	w.part.n++ // write
	(w.part).n-- // write
	p.n = 2 // write
	w.n = 3 // write
	w.embeds.n = 3 // write
	w.part.list[0] = 1 // write
	w.part.table[0] = 1 // write
	w.part.inner.n = 1 // write
	w.part.array[1].n = 1 // write
	w.part.inner.grow() // write
	_ = w.part.inner.grow // write
	w.part = part{} // write
	*p = part{} // write
	w.part = part{n: 1} // write // write
	out = append(out, &w.part.n) // write
	out = append(out, &w.part.list[0]) // write
	q := &w.part // write
	_ = q
	for w.part.n = range 3 { // write
	}
	for _, w.part.n = range w.part.list { // write
	}
	delete(w.part.table, 1) // write
	clear(w.part.list) // write
	copy(w.part.list, w.part.list) // write
	slices.Sort(w.part.list) // write
	_ = slices.DeleteFunc(w.part.list, func(int) bool { return true }) // write
	_ = []part{{n: 1}} // write
	func() { w.part.n = 1 }() // write

	w.part.grow()
	w.grow()
	n := w.part.n + w.part.size() + w.part.inner.size()
	w.part.other.n = n
	w.part.other.grow()
	for i, n := range w.part.list { _, _ = i, n }
	_ = slices.Index(w.part.list, 1)
	local := w.part
	_, p = local, w.part.next()
	return out
}
func (p *part) elsewhere() { p.n = 1 } // write
`
	want := map[string]int{}
	for name, text := range map[string]string{"own.go": own, "strange.go": strange} {
		for i, line := range strings.Split(text, "\n") {
			if n := strings.Count(line, "// write"); n > 0 {
				want[fmt.Sprintf("%s:%d", name, i+1)] = n
			}
		}
	}
	got := map[string]int{}
	for _, write := range strangeWrites(t, map[string]any{"own.go": own, "strange.go": strange}, map[string]string{"part": "own.go"}) {
		got[strings.Join(strings.Split(write, ":")[:2], ":")]++
	}
	require.Equal(t, want, got)
}

// strangeWrites lists, as file:line: what, the places in a package where a field of
// one of some structs is written, or may be by a pointer to it, though not by a
// method of the struct in its own file. A slice that shares memory with a field is
// beyond it.
func strangeWrites(t *testing.T, sources map[string]any, parts map[string]string) []string {
	t.Helper()
	c := &ownership{files: token.NewFileSet(), parts: parts, info: types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{},
	}}
	var trees []*ast.File
	for name, text := range sources {
		tree, err := parser.ParseFile(c.files, name, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		trees = append(trees, tree)
	}
	conf := types.Config{Importer: importer.ForCompiler(c.files, "gc", exported(t))}
	_, err := conf.Check("p", c.files, trees, &c.info)
	require.NoError(t, err)
	for _, tree := range trees {
		for _, d := range tree.Decls {
			c.method, c.file = "", filepath.Base(c.files.Position(d.Pos()).Filename)
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				c.method = strings.SplitN(nameOf(f), ".", 2)[0]
			}
			ast.Inspect(d, c.look)
		}
	}
	return c.found
}

// exported finds what the compiler has written of the imported packages.
func exported(t *testing.T) importer.Lookup {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}", ".")
	list.Stderr = os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	files := map[string]string{}
	for _, line := range strings.Fields(string(out)) {
		path, file, _ := strings.Cut(line, "=")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// ownership looks for writes in one package.
type ownership struct {
	files  *token.FileSet
	info   types.Info
	parts  map[string]string
	found  []string
	file   string // of the declaration at hand
	method string // the type that it is a method of; empty: none
}

func (c *ownership) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, e := range n.Lhs {
				c.write(e, "assigns")
			}
		}
	case *ast.IncDecStmt:
		c.write(n.X, "counts")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.write(n.Key, "assigns")
			c.write(n.Value, "assigns")
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			if _, made := n.X.(*ast.CompositeLit); !made {
				c.write(n.X, "takes the address of")
			}
		}
	case *ast.CompositeLit:
		if len(n.Elts) > 0 {
			c.report(c.part(c.info.TypeOf(n)), n, "makes")
		}
	case *ast.SelectorExpr: // a method of a field, called or not
		s := c.info.Selections[n]
		if s == nil || s.Kind() != types.MethodVal || !pointer(s.Obj().(*types.Func).Signature().Recv().Type()) || pointer(s.Recv()) {
			return true
		}
		if c.part(c.info.TypeOf(n.X)) == "" {
			c.report(c.owner(n.X), n, "calls a method that writes")
		}
	case *ast.CallExpr:
		if len(n.Args) > 0 && c.mutates(n.Fun) {
			c.write(n.Args[0], "has a function change")
		}
	}
	return true
}

// mutates reports whether a function writes the memory of its first argument.
func (c *ownership) mutates(fun ast.Expr) bool {
	switch f := fun.(type) {
	case *ast.Ident:
		_, builtin := c.info.Uses[f].(*types.Builtin)
		return builtin && (f.Name == "clear" || f.Name == "delete" || f.Name == "copy")
	case *ast.SelectorExpr:
		o, ok := c.info.Uses[f.Sel].(*types.Func)
		if !ok || o.Pkg() == nil || o.Pkg().Path() != "slices" {
			return false
		}
		for _, verb := range [...]string{"Delete", "Sort", "Insert", "Replace", "Compact", "Reverse"} {
			if strings.HasPrefix(o.Name(), verb) && o.Name() != "Sorted" {
				return true
			}
		}
	}
	return false
}

// write notes that an expression is written.
func (c *ownership) write(e ast.Expr, how string) {
	if e == nil {
		return
	}
	owner := c.owner(e)
	if t := c.info.TypeOf(e); owner == "" && t != nil && !pointer(t) {
		owner = c.part(t) // as a whole
	}
	c.report(owner, e, how)
}

func (c *ownership) report(owner string, at ast.Node, how string) {
	if owner == "" || c.method == owner && c.file == c.parts[owner] {
		return
	}
	c.found = append(c.found, fmt.Sprintf("%s: %s %s %s, which only its own methods in %s may",
		c.files.Position(at.Pos()), how, owner, types.ExprString(at.(ast.Expr)), c.parts[owner]))
}

// owner is the part of the state that memory of belongs to which an expression
// stands for; empty: none.
func (c *ownership) owner(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return c.owner(e.X)
	case *ast.IndexExpr:
		return c.owner(e.X)
	case *ast.SliceExpr:
		return c.owner(e.X)
	case *ast.SelectorExpr:
		s := c.info.Selections[e]
		if s == nil || s.Kind() != types.FieldVal {
			return ""
		}
		// The field may be one of a struct that is embedded.
		owner, at, indirect := "", s.Recv(), pointer(s.Recv())
		for _, i := range s.Index() {
			if pointer(at) {
				owner, indirect = "", true
			}
			if part := c.part(at); part != "" {
				owner = part
			}
			at = structOf(at).Field(i).Type()
		}
		if owner == "" && !indirect {
			return c.owner(e.X)
		}
		return owner
	}
	return ""
}

// part is the name of a type that is a part of the state; empty: it is none.
func (c *ownership) part(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "p" && c.parts[n.Obj().Name()] != "" {
		return n.Obj().Name()
	}
	return ""
}

func pointer(t types.Type) bool {
	_, ok := t.Underlying().(*types.Pointer)
	return ok
}

func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	return t.Underlying().(*types.Struct)
}
