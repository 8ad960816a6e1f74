package tlgencmd

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// readBase reads a shipped release or a table-set file.
func readBase(name string) (*tlset.Set, error) {
	if slices.Contains(tl.Releases(), name) {
		return tl.ReadSet(name)
	}
	set, err := tl.OpenSet(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--base %s: no shipped release and no file; shipped are %s", name, strings.Join(tl.Releases(), ", "))
	}
	return set, err
}

// fromSet turns a set back into schemas: what stands in it whatever the layer, what it only reads, and one schema for each
// of its layers that files do not cover. Only the TL side is taken; fields and numbers come from the .proto files.
func fromSet(set *tlset.Set, files []tlFile) []tlFile {
	title := "table set " + set.Release
	core := tlFile{name: title, schema: &tltext.Schema{}}
	rest := tlFile{name: title, schema: &tltext.Schema{}, readOnly: true}
	var layered []tlFile
	for layer := set.MinLayer; layer <= set.MaxLayer; layer++ {
		if !slices.ContainsFunc(files, func(f tlFile) bool { return f.layer == layer }) {
			layered = append(layered, tlFile{name: title, layer: layer, schema: &tltext.Schema{Layer: layer}})
		}
	}
	put := func(d tltext.Definition, layers tlset.Layers) {
		if slices.Equal(layers, tlset.EveryLayer) {
			core.schema.Definitions = append(core.schema.Definitions, d)
			return
		}
		rest.schema.Definitions = append(rest.schema.Definitions, d)
		for _, f := range layered {
			if layers.Contains(f.layer) {
				f.schema.Definitions = append(f.schema.Definitions, d)
			}
		}
	}
	for _, c := range set.Constructors {
		name := c.Predicate
		for long, short := range shortened {
			if short == name {
				name = long
			}
		}
		put(definition(name, c.ID, false, c.Params, c.Type), c.Layers)
	}
	for _, m := range set.Methods {
		put(definition(m.Name, m.ID, true, m.Params, m.Result), m.Layers)
	}
	return append([]tlFile{core, rest}, layered...)
}

func definition(name string, id uint32, method bool, params []tlset.Param, result string) tltext.Definition {
	d := tltext.Definition{Name: name, ID: id, Sum: id, Method: method, Result: result}
	if result == "X" {
		d.Generic = []string{"X"}
	}
	for _, p := range params {
		d.Params = append(d.Params, tltext.Param{Name: p.Name, Type: strings.ReplaceAll(p.Type, "%TL_", "")})
	}
	return d
}

// describeFiles names the TL files for the report, the layers of a base as one.
func describeFiles(files []tlFile) []string {
	var out []string
	for i := 0; i < len(files); {
		f, last := files[i], files[i]
		for i++; i < len(files) && files[i].name == f.name; i++ {
			if last = files[i]; f.layer == 0 {
				f = last
			}
		}
		switch last.layer {
		case 0:
			out = append(out, f.name+" (no layer: the core of the protocol, the same for every client)")
		case f.layer:
			out = append(out, fmt.Sprintf("%s (layer %d)", f.name, f.layer))
		default:
			out = append(out, fmt.Sprintf("%s (layers %d-%d)", f.name, f.layer, last.layer))
		}
	}
	return out
}
