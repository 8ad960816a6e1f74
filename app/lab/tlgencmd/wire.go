package tlgencmd

import (
	"fmt"
	"strings"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// constructors is the enum that registers ids. The package that defines it is the one whose messages make the set.
const constructors = "TLConstructor"

// wire is what the .proto files say.
type wire struct {
	pkg      string
	messages []tlset.Message
	shapes   map[string]tlset.Shape
	fields   map[string]map[string]tlset.Field // message -> name -> field, without the implied ones
	ids      map[uint32]string                 // registered id -> its name in the enum
	rpcs     map[string]rpc                    // by request message
}

type rpc struct{ path, response string }

// readWire takes the messages, ids and rpcs of the package that has the enum. Files of other packages are passed over;
// a message of this one that is none of the four shapes is left out and reported.
func readWire(files map[string]*protofile.File, rep *report) (*wire, error) {
	w := &wire{
		shapes: map[string]tlset.Shape{}, fields: map[string]map[string]tlset.Field{},
		ids: map[uint32]string{}, rpcs: map[string]rpc{},
	}
	if err := w.registered(files); err != nil {
		return nil, err
	}
	l := loader{w: w, rep: rep, kinds: map[string]string{}, at: map[string]string{}}
	var own []string
	for _, name := range sorted(files) {
		if files[name].Package == w.pkg {
			own = append(own, name)
			if err := l.declare(name, files[name]); err != nil {
				return nil, err
			}
		}
	}
	rep.protoFiles = own
	for _, name := range own {
		for i := range files[name].Messages {
			l.message(&files[name].Messages[i])
		}
		for _, s := range files[name].Services {
			l.service(s)
		}
	}
	l.boxes()
	return w, nil
}

// registered finds the enum and with it the package.
func (w *wire) registered(files map[string]*protofile.File) error {
	found := ""
	for _, name := range sorted(files) {
		for _, e := range files[name].Enums {
			if e.Name != constructors {
				continue
			}
			if found != "" {
				return fmt.Errorf("enum %s stands in %s and in %s: name the folder of one checkout", constructors, found, name)
			}
			found, w.pkg = name, files[name].Package
			for _, v := range e.Values {
				if v.Number != 0 {
					w.ids[uint32(v.Number)] = v.Name
				}
			}
		}
	}
	if found == "" {
		return fmt.Errorf("no .proto file has the enum %s", constructors)
	}
	return nil
}

type loader struct {
	w     *wire
	rep   *report
	kinds map[string]string // name of a message or enum of the package -> kind
	at    map[string]string // and the file it stands in
}

func (l *loader) declare(name string, f *protofile.File) error {
	add := func(symbol, kind string) error {
		if other, dup := l.at[symbol]; dup {
			return fmt.Errorf("%s stands in %s and in %s", symbol, other, name)
		}
		l.at[symbol], l.kinds[symbol] = name, kind+symbol
		return nil
	}
	if f.Syntax != "proto3" {
		return fmt.Errorf("%s: syntax %q, want proto3", name, f.Syntax)
	}
	for _, m := range f.Messages {
		if err := add(m.Name, "msg."); err != nil {
			return err
		}
	}
	for _, e := range f.Enums {
		if err := add(e.Name, "enum."); err != nil {
			return err
		}
	}
	return nil
}

var scalars = map[string]bool{
	"double": true, "float": true, "int32": true, "int64": true, "uint32": true, "uint64": true, "sint32": true,
	"sint64": true, "fixed32": true, "fixed64": true, "sfixed32": true, "sfixed64": true, "bool": true, "string": true, "bytes": true,
}

// kind is the table's word for a .proto type; empty when the type is unknown.
func (l *loader) kind(typ string) string {
	typ = strings.TrimPrefix(typ, ".")
	if scalars[typ] {
		return typ
	}
	if wrapped, ok := strings.CutPrefix(typ, "google.protobuf."); ok {
		value, ok := strings.CutSuffix(wrapped, "Value")
		if value = strings.ToLower(value); ok && scalars[value] {
			return "wrap." + value
		}
		return ""
	}
	return l.kinds[strings.TrimPrefix(typ, l.w.pkg+".")]
}

// message adds a message, if it is one of the four shapes.
func (l *loader) message(m *protofile.Message) {
	leave := func(why string) {
		l.rep.add(&l.rep.leftOut, "message %s: %s", m.Name, why)
	}
	if m.Beyond != "" {
		leave("has " + m.Beyond + ", which no TL message has")
		return
	}
	t := tlset.Message{Name: m.Name}
	for _, f := range m.Fields {
		kind := l.kind(f.Type)
		if kind == "" {
			leave("field " + f.Name + ": no type " + f.Type)
			return
		}
		t.Fields = append(t.Fields, tlset.Field{Number: f.Number, Name: f.Name, Kind: kind, Repeated: f.Repeated})
	}
	rest, ok := shape(&t)
	if !ok {
		leave("no predicate_name, constructor, datas or data2 where a TL message has it")
		return
	}
	t.Fields = rest
	l.w.messages = append(l.w.messages, t)
	l.w.shapes[t.Name] = t.Shape
	l.w.fields[t.Name] = map[string]tlset.Field{}
	for _, f := range rest {
		l.w.fields[t.Name][f.Name] = f
	}
}

// shape recognises what kind of message t is and returns the fields that the shape does not imply.
func shape(t *tlset.Message) ([]tlset.Field, bool) {
	predicate := tlset.Field{Number: 1, Name: "predicate_name", Kind: "string"}
	constructor := tlset.Field{Number: 2, Name: "constructor", Kind: "enum." + constructors}
	called := constructor
	called.Number = 1
	byNumber := map[int]tlset.Field{}
	for _, f := range t.Fields {
		byNumber[f.Number] = f
	}
	first := byNumber[1]
	switch {
	case first == predicate && byNumber[2] == constructor:
		t.Shape = tlset.Union
		return without(t.Fields, 2), true
	case first == called:
		t.Shape = tlset.Request
		return without(t.Fields, 1), true
	case len(t.Fields) == 1 && first.Name == "datas" && first.Repeated:
		t.Shape = tlset.Vector
		return t.Fields, true
	case len(t.Fields) == 1 && first.Name == "data2" && !first.Repeated && strings.HasPrefix(first.Kind, "msg."):
		t.Shape = tlset.Box
		return t.Fields, true
	}
	return nil, false
}

// without returns the fields numbered above n.
func without(fields []tlset.Field, n int) []tlset.Field {
	var out []tlset.Field
	for _, f := range fields {
		if f.Number > n {
			out = append(out, f)
		}
	}
	return out
}

// boxes leaves out the boxes around something that is no union.
func (l *loader) boxes() {
	kept := l.w.messages[:0]
	for _, m := range l.w.messages {
		if m.Shape == tlset.Box {
			inside := strings.TrimPrefix(m.Fields[0].Kind, "msg.")
			if s, ok := l.w.shapes[inside]; !ok || s != tlset.Union {
				l.rep.add(&l.rep.leftOut, "message %s: %s is no object of TL", m.Name, inside)
				delete(l.w.shapes, m.Name)
				continue
			}
		}
		kept = append(kept, m)
	}
	l.w.messages = kept
}

func (l *loader) service(s protofile.Service) {
	for _, r := range s.RPCs {
		path := "/" + s.Name + "/" + r.Name
		if l.w.pkg != "" {
			path = "/" + l.w.pkg + "." + s.Name + "/" + r.Name
		}
		local := func(name string) string {
			return strings.TrimPrefix(strings.TrimPrefix(name, "."), l.w.pkg+".")
		}
		request := local(r.Request)
		if r.Streams {
			l.rep.add(&l.rep.leftOut, "rpc %s: streams", path)
			continue
		}
		if other, dup := l.w.rpcs[request]; dup {
			l.rep.add(&l.rep.leftOut, "rpc %s: has the same request as %s", path, other.path)
			continue
		}
		l.w.rpcs[request] = rpc{path: path, response: local(r.Response)}
	}
}
