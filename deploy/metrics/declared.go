package metrics

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"strconv"
	"strings"
)

// scope resolves names to what they stand for: constants and variables of a
// package, and the parameters of a function at one of its calls.
type scope map[string]ast.Expr

// metrics returns what the package declares.
func (p *source) metrics() ([]Metric, error) {
	r := &reader{p: p, names: scope{}, helpers: map[string]*ast.FuncDecl{}}
	for _, f := range p.files {
		for _, d := range f.Decls {
			r.collect(d)
		}
	}
	for _, f := range p.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && r.helpers[fn.Name.Name] != nil {
				continue // read where it is called
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					r.call(call, r.names)
				}
				return true
			})
		}
	}
	return r.found, r.err
}

// reader reads the declarations of one package.
type reader struct {
	p       *source
	names   scope
	helpers map[string]*ast.FuncDecl // functions that declare what their parameters say
	found   []Metric
	err     error // the first
}

// collect notes the package's constants, variables and helpers.
func (r *reader) collect(d ast.Decl) {
	switch d := d.(type) {
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
				for i, name := range v.Names {
					r.names[name.Name] = v.Values[i]
				}
			}
		}
	case *ast.FuncDecl:
		if d.Recv != nil || d.Type.Params.NumFields() == 0 || d.Body == nil {
			return
		}
		ast.Inspect(d.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && vector(call) != "" {
				r.helpers[d.Name.Name] = d
			}
			return true
		})
	}
}

// vector is the type of the metrics that a call declares; "": it declares none.
func vector(call *ast.CallExpr) string {
	switch callee(call) {
	case "metric.NewCounterVec", "promvec.NewCounter":
		return "counter"
	case "metric.NewGaugeVec":
		return "gauge"
	case "metric.NewHistogramVec", "promvec.NewHistogram":
		return "histogram"
	case "metric.NewSummaryVec":
		return "summary"
	}
	return ""
}

// callee is the name of a function as the call has it.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// call reads a call that may declare a metric.
func (r *reader) call(call *ast.CallExpr, names scope) {
	name := callee(call)
	switch kind, helper := vector(call), r.helpers[name]; {
	case kind != "":
		r.options(kind, call, names)
	case name == "prometheus.NewDesc" && len(call.Args) == 4:
		m := Metric{Type: "gauge", Name: r.text(call.Args[0], names), Help: r.text(call.Args[1], names), Labels: r.labels(call.Args[2], names)}
		if strings.HasSuffix(m.Name, "_total") {
			m.Type = "counter"
		}
		r.add(m)
	case helper != nil:
		inner := maps.Clone(names)
		params := helper.Type.Params.List
		var flat []*ast.Ident
		for _, p := range params {
			flat = append(flat, p.Names...)
		}
		_, variadic := params[len(params)-1].Type.(*ast.Ellipsis)
		for i, p := range flat {
			if variadic && i == len(flat)-1 {
				inner[p.Name] = &ast.CompositeLit{Elts: call.Args[i:]}
			} else {
				inner[p.Name] = call.Args[i]
			}
		}
		ast.Inspect(helper.Body, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				r.call(c, inner)
			}
			return true
		})
	}
}

// options reads metric.XVecOpts{...}, or a pointer to it.
func (r *reader) options(kind string, call *ast.CallExpr, names scope) {
	of := call.Args[0]
	if pointer, ok := of.(*ast.UnaryExpr); ok {
		of = pointer.X
	}
	literal, ok := of.(*ast.CompositeLit)
	if !ok {
		r.fail(call, "its options are not written out")
		return
	}
	var parts [3]string
	m := Metric{Type: kind}
	for _, e := range literal.Elts {
		kv := e.(*ast.KeyValueExpr)
		switch kv.Key.(*ast.Ident).Name {
		case "Namespace":
			parts[0] = r.text(kv.Value, names)
		case "Subsystem":
			parts[1] = r.text(kv.Value, names)
		case "Name":
			parts[2] = r.text(kv.Value, names)
		case "Help":
			m.Help = r.text(kv.Value, names)
		case "Labels":
			m.Labels = r.labels(kv.Value, names)
		}
	}
	m.Name = full(parts[:])
	r.add(m)
}

// full is prometheus.BuildFQName.
func full(parts []string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, "_")
}

func (r *reader) add(m Metric) {
	m.Package = r.p.ImportPath
	r.found = append(r.found, m)
}

// text is the string that an expression stands for.
func (r *reader) text(e ast.Expr, names scope) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.Ident:
		if v := names[e.Name]; v != nil && v != e {
			return r.text(v, names)
		}
	case *ast.CallExpr:
		if callee(e) == "prometheus.BuildFQName" {
			var parts []string
			for _, a := range e.Args {
				parts = append(parts, r.text(a, names))
			}
			return full(parts)
		}
	}
	r.fail(e, "a text is not written out")
	return ""
}

func (r *reader) labels(e ast.Expr, names scope) (list []Label) {
	switch e := e.(type) {
	case *ast.CompositeLit:
		for _, v := range e.Elts {
			list = append(list, Label{Name: r.text(v, names)})
		}
	case *ast.Ident:
		if v := names[e.Name]; v != nil && v != e {
			return r.labels(v, names)
		}
		r.fail(e, "its labels are not written out")
	default:
		r.fail(e, "its labels are not written out")
	}
	return list
}

func (r *reader) fail(n ast.Node, problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("%v: a metric cannot be read: %s", r.p.fset.Position(n.Pos()), problem)
	}
}
