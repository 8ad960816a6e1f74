// Package metrics reads from the source which metrics the two services serve,
// so that their catalogue (docs/metrics.md), the rules and the dashboards beside
// this package cannot name what the code does not have.
package metrics

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// declares is the package of go-zero through which all metrics are declared.
const declares = "github.com/zeromicro/go-zero/core/metric"

const ours = "github.com/tgsession/tgsession/"

// programs are the two services, by the names that Metric.Services has.
var programs = map[string]string{
	"session":     "./app/interface/session/cmd/session",
	"authsession": "./app/service/authsession/cmd/authsession",
}

// Metric is one metric as the code declares it.
type Metric struct {
	Name     string // as Prometheus has it, without the suffixes of a histogram
	Type     string // counter, gauge or histogram
	Help     string
	Labels   []Label
	Services []string // those whose programs hold it, sorted
	Package  string   // import path
}

// Label is a label of a metric and what it can be.
type Label struct {
	Name string
	// Values are those that the code writes as they stand, sorted.
	Values []string
	// Computed are the expressions of all others, as the code has them, sorted.
	// Nothing here says what they can be: package metrics' bounds does.
	Computed []string
}

// Ours reports whether the metric is declared in this repository, and not in go-zero.
func (m Metric) Ours() bool { return strings.HasPrefix(m.Package, ours) }

// Unit is what the metric's values are counted in, by the end of its name.
func (m Metric) Unit() string {
	name := strings.TrimSuffix(m.Name, "_total")
	for _, unit := range []struct{ suffix, name string }{
		{"_ms", "milliseconds"}, {"_seconds", "seconds"}, {"_bytes", "bytes"},
	} {
		if strings.HasSuffix(name, unit.suffix) {
			return unit.name
		}
	}
	return ""
}

// Read returns the metrics of both services, sorted by name. Root is the folder
// of the repository. An error says that a package could not be listed or read, or
// declares a metric in a way that cannot be read from the source.
func Read(root string) ([]Metric, error) {
	byName := map[string]*Metric{}
	seen := map[string][]Metric{} // by package
	for service, program := range programs {
		packages, err := list(root, program)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			found, ok := seen[p.ImportPath]
			if !ok {
				if found, err = p.metrics(); err != nil {
					return nil, fmt.Errorf("%s: %w", p.ImportPath, err)
				}
				seen[p.ImportPath] = found
			}
			for _, m := range found {
				if byName[m.Name] == nil {
					byName[m.Name] = &m
				}
				byName[m.Name].Services = append(byName[m.Name].Services, service)
			}
		}
		if err := callSites(packages, byName); err != nil {
			return nil, err
		}
		for _, m := range byName {
			for i := range m.Labels {
				m.Labels[i].lookUp(packages, tables[m.Name+"{"+m.Labels[i].Name+"}"])
			}
		}
	}
	var all []Metric
	for _, m := range byName {
		slices.Sort(m.Services)
		for i := range m.Labels {
			m.Labels[i].tidy()
		}
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func (l *Label) tidy() {
	for _, list := range []*[]string{&l.Values, &l.Computed} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// source is a package of a program.
type source struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool

	files []*ast.File
	fset  *token.FileSet
}

// list returns the packages of a program that may have to do with metrics: all of
// ours, and those of others that declare some.
func list(root, program string) ([]*source, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Standard", program)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w: %s", program, err, stderr.String())
	}
	var packages []*source
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &source{fset: token.NewFileSet()}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list %s: %w", program, err)
		}
		if p.Standard || !strings.HasPrefix(p.ImportPath, ours) && !slices.Contains(p.Imports, declares) {
			continue
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(p.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, f)
		}
		packages = append(packages, p)
	}
}
