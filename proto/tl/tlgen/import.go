package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// importTables reads four tab-separated tables, each with a header line:
//
//	types         message number name kind label message_type
//	constructors  predicate crc tl_type union layers fields
//	methods       tl_name crc layers request path result fields tl_result
//	layers        predicate layers crc source      which version of a predicate a client layer is written
//
// A field of fields reads "tl name|tl type|pb name|pb number|kind", separated by semicolons. A predicate without a row
// in layers is written for the layers of its only version.
func importTables(dir, suffix, release string) (*tlset.Set, error) {
	im := importer{set: &tlset.Set{Release: release}, written: map[string]map[uint32]tlset.Layers{}}
	for _, t := range []struct {
		name    string
		columns int
		row     func([]string) error
	}{
		{"types", 6, im.field},
		{"layers", 4, im.layer},
		{"constructors", 6, im.constructor},
		{"methods", 8, im.method},
	} {
		name := filepath.Join(dir, t.name+suffix+".tsv")
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n")[1:] {
			row := strings.Split(line, "\t")
			for len(row) < t.columns {
				row = append(row, "")
			}
			if err := t.row(row); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, i+2, err)
			}
		}
	}
	for i := range im.set.Constructors {
		c := &im.set.Constructors[i]
		c.Layers = c.Layers.Clip(im.set.MinLayer, im.set.MaxLayer)
	}
	return im.set, nil
}

type importer struct {
	set     *tlset.Set
	written map[string]map[uint32]tlset.Layers
}

func (im *importer) field(row []string) error {
	number, err := strconv.Atoi(row[1])
	if err != nil {
		return err
	}
	f := tlset.Field{Number: number, Name: row[2], Kind: row[3], Repeated: row[4] == "repeated"}
	ms := im.set.Messages
	if len(ms) == 0 || ms[len(ms)-1].Name != row[0] {
		m := tlset.Message{Name: row[0]}
		switch f.Name {
		case "predicate_name":
			m.Shape = tlset.Union
		case "constructor":
			m.Shape = tlset.Request
		case "datas":
			m.Shape = tlset.Vector
		case "data2":
			m.Shape = tlset.Box
		default:
			return fmt.Errorf("message %s: first field %s tells no shape", m.Name, f.Name)
		}
		ms = append(ms, m)
		im.set.Messages = ms
	}
	m := &ms[len(ms)-1]
	implied := (m.Shape == tlset.Union && number <= 2) || (m.Shape == tlset.Request && number == 1)
	if !implied {
		m.Fields = append(m.Fields, f)
	}
	return nil
}

func (im *importer) layer(row []string) error {
	id, err := parseID(row[2])
	if err != nil {
		return err
	}
	layers := tlset.EveryLayer
	if row[1] != "any" {
		if layers, err = tlset.ParseLayers(row[1]); err != nil {
			return err
		}
		im.stretch(layers)
	}
	versions := im.written[row[0]]
	if versions == nil {
		versions = map[uint32]tlset.Layers{}
		im.written[row[0]] = versions
	}
	versions[id] = append(versions[id], layers...)
	return nil
}

// stretch widens the set's layer range.
func (im *importer) stretch(l tlset.Layers) {
	for _, r := range l {
		if im.set.MinLayer == 0 || r.First < im.set.MinLayer {
			im.set.MinLayer = r.First
		}
		im.set.MaxLayer = max(im.set.MaxLayer, r.Last)
	}
}

func (im *importer) constructor(row []string) error {
	id, err := parseID(row[1])
	if err != nil {
		return err
	}
	layers, err := publicLayers(row[4])
	if err != nil {
		return err
	}
	if versions := im.written[row[0]]; versions != nil {
		layers = versions[id]
	}
	if tlset.MessageName(row[2]) != row[3] {
		return fmt.Errorf("type %s is in message %s", row[2], row[3])
	}
	im.set.Constructors = append(im.set.Constructors,
		tlset.Constructor{Predicate: row[0], ID: id, Layers: layers, Type: row[2], Params: params(row[5])})
	return nil
}

func (im *importer) method(row []string) error {
	id, err := parseID(row[1])
	if err != nil {
		return err
	}
	layers, err := publicLayers(row[2])
	if err != nil {
		return err
	}
	im.set.Methods = append(im.set.Methods, tlset.Method{
		Name: row[0], ID: id, Layers: layers,
		Request: row[3], Path: row[4], Result: row[7], Params: params(row[6]),
	})
	return nil
}

func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 16, 32)
	return uint32(id), err
}

// publicLayers reads the layers of a definition; none stands for the core of the protocol, which has no layer.
func publicLayers(s string) (tlset.Layers, error) {
	if s == "" {
		return tlset.EveryLayer, nil
	}
	return tlset.ParseLayers(s)
}

func params(s string) []tlset.Param {
	if s == "" {
		return nil
	}
	var out []tlset.Param
	for f := range strings.SplitSeq(s, ";") {
		c := strings.Split(f, "|")
		out = append(out, tlset.Param{Name: c[0], Type: c[1], Field: c[2]})
	}
	return out
}
