package metrics

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/printer"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// writers are the methods that take labels, with how many arguments come before them.
var writers = map[string]int{"Inc": 0, "Dec": 0, "Add": 1, "Sub": 1, "Set": 1, "Observe": 1, "ObserveFloat": 1}

// callSites adds to the labels of our metrics what the code gives them. A metric is
// known by the variable that holds it: within its package by that name, elsewhere
// behind the package's.
func callSites(packages []*source, byName map[string]*Metric) error {
	variables := map[string]*Metric{} // import path, dot, name
	for _, p := range packages {
		if !strings.HasPrefix(p.ImportPath, ours) {
			continue
		}
		if err := p.variables(variables, byName); err != nil {
			return err
		}
	}
	for _, p := range packages {
		if !strings.HasPrefix(p.ImportPath, ours) {
			continue
		}
		constants := p.constants()
		for _, f := range p.files {
			imported := imports(f)
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				before, writes := writers[method.Sel.Name]
				m := variables[target(method.X, p.ImportPath, imported)]
				if !writes || m == nil || len(call.Args) != before+len(m.Labels) {
					return true
				}
				for i, arg := range call.Args[before:] {
					m.Labels[i].note(arg, constants)
				}
				return true
			})
		}
	}
	return nil
}

// variables notes which variable holds which metric.
func (p *source) variables(into, byName map[string]*Metric) error {
	r := &reader{p: p, names: scope{}, helpers: map[string]*ast.FuncDecl{}}
	for _, f := range p.files {
		for _, d := range f.Decls {
			r.collect(d)
		}
	}
	for name, value := range r.names {
		call, ok := value.(*ast.CallExpr)
		if !ok {
			continue
		}
		r.found = nil
		if r.call(call, r.names); r.err != nil {
			return r.err
		}
		if len(r.found) == 1 {
			into[p.ImportPath+"."+name] = byName[r.found[0].Name]
		}
	}
	return nil
}

// constants are the package's strings.
func (p *source) constants() map[string]string {
	out := map[string]string{}
	for _, f := range p.files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for i := range min(len(v.Names), len(v.Values)) {
					if text, ok := literal(v.Values[i]); ok {
						out[v.Names[i].Name] = text
					}
				}
			}
		}
	}
	return out
}

// texts are those that a variable of the package holds: a list, or a table with a text
// for each key.
func (p *source) texts(variable string) (list []string) {
	r := &reader{p: p, names: scope{}, helpers: map[string]*ast.FuncDecl{}}
	for _, f := range p.files {
		for _, d := range f.Decls {
			r.collect(d)
		}
	}
	table, ok := r.names[variable].(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, e := range table.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		if text, ok := literal(e); ok {
			list = append(list, text)
		}
	}
	return list
}

// lookUp replaces what is computed from a table by the table's texts. Without a table
// nothing changes, and the page wants to know what bounds the label.
func (l *Label) lookUp(packages []*source, from [2]string) {
	computed, variable := from[0], from[1]
	for _, p := range packages {
		name, ok := strings.CutPrefix(variable, p.ImportPath+".")
		if !ok || strings.ContainsAny(name, "/.") {
			continue
		}
		if texts := p.texts(name); len(texts) > 0 {
			l.Values = append(l.Values, texts...)
			l.Computed = slices.DeleteFunc(l.Computed, func(e string) bool { return e == computed })
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// imports maps the names that a file knows packages by to their paths.
func imports(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		out[name] = path
	}
	return out
}

// target is the variable that a method is called on, behind its package's path.
func target(e ast.Expr, here string, imported map[string]string) string {
	switch e := e.(type) {
	case *ast.Ident:
		return here + "." + e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && imported[x.Name] != "" {
			return imported[x.Name] + "." + e.Sel.Name
		}
	}
	return ""
}

// note adds what a call gives the label.
func (l *Label) note(e ast.Expr, constants map[string]string) {
	if text, ok := literal(e); ok {
		l.Values = append(l.Values, text)
		return
	}
	if id, ok := e.(*ast.Ident); ok {
		if text, ok := constants[id.Name]; ok {
			l.Values = append(l.Values, text)
			return
		}
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), e); err != nil {
		fmt.Fprintf(&b, "%T", e)
	}
	l.Computed = append(l.Computed, b.String())
}
