package tlgencmd

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// tlFile is a TL schema file.
type tlFile struct {
	name   string
	layer  int // 0: the core of the protocol, which has no layer
	schema *tltext.Schema

	readOnly bool // its versions are read; which layers they are written for, other files tell
}

// version is one version of a constructor or method: what stands under one id.
type version struct {
	def    tltext.Definition // the newest text
	layers tlset.Layers
	core   bool   // from a file without a layer
	file   string // of the newest text
}

var number = regexp.MustCompile(`[0-9]+`)

// layerOf takes the layer from the file's comment, else from its name when that has one number; else it is 0.
func layerOf(name string, s *tltext.Schema) int {
	if s.Layer != 0 {
		return s.Layer
	}
	if all := number.FindAllString(filepath.Base(name), -1); len(all) == 1 && len(all[0]) < 5 {
		n, _ := strconv.Atoi(all[0]) // at most four digits
		return n
	}
	return 0
}

// versions merges the files. A version is written for the layers of the files it stands in, and for the layers between
// such a file and the next: what changed there only the next one tells.
func versions(files []tlFile, rep *report) ([]*version, error) {
	slices.SortStableFunc(files, func(a, b tlFile) int { return cmp.Compare(a.layer, b.layer) })
	byID := map[uint32]*version{}
	current := map[string]uint32{} // name -> id, in the layer at hand
	var all []*version
	for i, f := range files {
		if i == 0 || files[i-1].layer != f.layer {
			clear(current)
		}
		span := tlset.LayerRange{First: f.layer, Last: f.layer}
		for _, next := range files[i:] {
			if next.layer > f.layer {
				span.Last = next.layer - 1
				break
			}
		}
		for _, d := range f.schema.Definitions {
			if d.Builtin {
				continue
			}
			if d.Given && d.ID != d.Sum {
				rep.add(&rep.otherSum, "%s: %s#%08x (its text sums to %08x)", f.name, d.Name, d.ID, d.Sum)
			}
			v := byID[d.ID]
			if v == nil {
				v = &version{}
				byID[d.ID] = v
				all = append(all, v)
			} else if tlset.MessageName(v.def.Name) != tlset.MessageName(d.Name) || v.def.Method != d.Method {
				rep.add(&rep.unmapped, "%s#%08x: %s has the id already", d.Name, d.ID, v.def.Name)
				continue
			}
			v.def, v.file = newer(d, v.def), f.name
			if f.layer == 0 {
				v.core = v.core || !f.readOnly
				continue
			}
			key := tlset.MessageName(d.Name)
			if id, taken := current[key]; taken && id != d.ID && !d.Method { // of methods every version is served
				rep.add(&rep.notes, "%s#%08x: read only, layer %d writes %s#%08x", d.Name, d.ID, f.layer, d.Name, id)
				continue
			}
			current[key] = d.ID
			v.layers = join(v.layers, span)
		}
	}
	if len(files) == 0 || files[len(files)-1].layer == 0 {
		return nil, fmt.Errorf(`no TL file tells its layer: want a comment "// LAYER 223" or the number in the file's name`)
	}
	everywhere(all)
	return all, nil
}

// everywhere gives the core its layers: every one, unless a file with a layer has another version.
func everywhere(all []*version) {
	owner := map[string]*version{} // of a name: the first version with layers
	key := func(v *version) string { return tlset.MessageName(v.def.Name) }
	for _, v := range all {
		if len(v.layers) > 0 && (owner[key(v)] == nil || owner[key(v)].core) {
			owner[key(v)] = v
		}
	}
	for _, v := range all {
		if o := owner[key(v)]; v.core && (o == nil || o == v) {
			v.layers, owner[key(v)] = tlset.EveryLayer, v
		}
	}
}

// newer returns the newer text d, with the bits that only the older text has: an old client may still send them.
func newer(d, old tltext.Definition) tltext.Definition {
	for _, p := range old.Params {
		if p.IsFlag() && !slices.ContainsFunc(d.Params, func(q tltext.Param) bool { return q.Name == p.Name }) {
			d.Params = append(slices.Clip(d.Params), p)
		}
	}
	return d
}

// join appends a range to an ascending list, merging it with the last one if they touch.
func join(l tlset.Layers, r tlset.LayerRange) tlset.Layers {
	if n := len(l); n > 0 && r.First <= l[n-1].Last+1 {
		l[n-1].Last = max(l[n-1].Last, r.Last)
		return l
	}
	return append(l, r)
}
