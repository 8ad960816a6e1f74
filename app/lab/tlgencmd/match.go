package tlgencmd

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// carrier is a protobuf field that can carry a TL type.
type carrier struct {
	kind     string
	repeated bool
	suffixes []string // of the field's name where the message has several fields for one TL name, likeliest first
	typ      string   // the TL type as the table set writes it
}

// plain is the scalars: the kind, the kind under a flag, and the word in suffixes.
var plain = map[string]struct{ kind, optional, suffix string }{
	"int":    {"int32", "wrap.int32", "INT32"},
	"long":   {"int64", "wrap.int64", "INT64"},
	"double": {"double", "wrap.double", "FLOAT64"},
	"string": {"string", "wrap.string", "STRING"},
	"bytes":  {"bytes", "bytes", "BYTES"},
	"int128": {"bytes", "bytes", "BYTES"},
	"int256": {"bytes", "bytes", "BYTES"},
}

// carriers lists what can carry a type, best first. Strings and bytes look alike in TL, and some .proto files have one
// where the schema has the other.
func carriers(typ string, optional bool) ([]carrier, error) {
	switch typ {
	case "string", "bytes":
		other := map[string]string{"string": "bytes", "bytes": "string"}[typ]
		return []carrier{scalar(typ, optional), scalar(other, optional)}, nil
	case "int", "long", "double", "int128", "int256":
		return []carrier{scalar(typ, optional)}, nil
	case "true":
		if !optional {
			return nil, errors.New("a true that hangs on no flag")
		}
		return []carrier{{kind: "bool", suffixes: []string{"FLAGBOOLEAN"}, typ: typ}}, nil
	case "!X":
		return []carrier{{kind: "bytes", suffixes: []string{"BYTES"}, typ: typ}}, nil
	}
	if elem, bare, ok := vectorOf(typ); ok {
		return vector(elem, bare, optional)
	}
	if typ[0] == '%' || typ[0] == '!' || isBare(typ) || strings.Contains(typ, "<") {
		return nil, fmt.Errorf("no protobuf form of %s", typ)
	}
	name := tlset.MessageName(typ)
	return []carrier{{kind: "msg." + name, suffixes: both(strings.ToUpper(name), optional), typ: typ}}, nil
}

func scalar(typ string, optional bool) carrier {
	p := plain[typ]
	c := carrier{kind: p.kind, suffixes: []string{p.suffix}, typ: typ}
	switch {
	case p.kind == p.optional: // one Go type with and without a flag, so one field for both
		c.suffixes = both(p.suffix, optional)
	case optional:
		c.kind, c.suffixes = p.optional, []string{"FLAG" + p.suffix}
	}
	return c
}

func vector(elem string, bare, optional bool) ([]carrier, error) {
	word := "Vector<"
	if bare {
		word = "vector<"
	}
	var c carrier
	switch p, ok := plain[elem]; {
	case ok && elem != "double" && elem != "int128" && elem != "int256":
		c = carrier{kind: p.kind, suffixes: both("VECTOR"+p.suffix, optional), typ: word + elem + ">"}
	case !ok && isBare(elem):
		name := "TL_" + tlset.MessageName(elem)
		c = carrier{kind: "msg." + name, suffixes: both("VECTOR"+strings.ToUpper(name), optional), typ: word + "%" + name + ">"}
	case !ok && elem[0] != '%' && elem[0] != '!' && !strings.Contains(elem, "<"):
		name := tlset.MessageName(elem)
		c = carrier{kind: "msg." + name, suffixes: both("VECTOR"+strings.ToUpper(name), optional), typ: word + elem + ">"}
	default:
		return nil, fmt.Errorf("no protobuf form of a vector of %s", elem)
	}
	c.repeated = true
	return []carrier{c}, nil
}

// both is a suffix with and without FLAG: the field is named after whichever version came first.
func both(suffix string, optional bool) []string {
	if optional {
		return []string{"FLAG" + suffix, suffix}
	}
	return []string{suffix, "FLAG" + suffix}
}

// vectorOf splits Vector<T> and vector<T>; bare is for the latter.
func vectorOf(typ string) (elem string, bare, ok bool) {
	inner, ok := strings.CutSuffix(typ, ">")
	if !ok {
		return "", false, false
	}
	if elem, ok = strings.CutPrefix(inner, "Vector<"); ok {
		return elem, false, true
	}
	elem, ok = strings.CutPrefix(inner, "vector<")
	return elem, true, ok
}

// isBare reports whether the word names a constructor, not a type.
func isBare(typ string) bool {
	c := typ[strings.LastIndexByte(typ, '.')+1]
	return 'a' <= c && c <= 'z'
}

var upper = regexp.MustCompile(`^[A-Z0-9_]+$`)

// noFieldError says that the message has no field for a parameter.
type noFieldError struct{ message, name, typ string }

func (e noFieldError) Error() string {
	return fmt.Sprintf("message %s has no field for %s:%s", e.message, e.name, e.typ)
}

// params maps a parameter list to the fields of a message. Bits without a field are left out: they take no room in TL.
func (w *wire) params(message string, list []tltext.Param) (params []tlset.Param, leftOut []string, err error) {
	words, used := map[string]bool{}, map[string]string{}
	for _, p := range list {
		if p.Type == "#" {
			words[p.Name] = true
			params = append(params, tlset.Param{Name: p.Name, Type: "#"})
			continue
		}
		word, bit, typ := p.Condition()
		if n, err := strconv.Atoi(bit); word != "" && (!words[word] || err != nil || n > 31) {
			return nil, nil, fmt.Errorf("%s:%s: no such flag before it", p.Name, p.Type)
		}
		f, table, err := w.field(message, p.Name, typ, word != "")
		if p.IsFlag() && errors.As(err, new(noFieldError)) {
			leftOut = append(leftOut, p.Name)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if other, dup := used[f]; dup {
			return nil, nil, fmt.Errorf("%s and %s share the field %s.%s", other, p.Name, message, f)
		}
		used[f] = p.Name
		if word != "" {
			table = word + "." + bit + "?" + table
		}
		params = append(params, tlset.Param{Name: p.Name, Field: f, Type: table})
	}
	return params, leftOut, nil
}

// field finds the field for a TL name and type: the one of the right kind whose name is the TL name and a suffix for
// the type, or the TL name alone if the message has no suffixed variants of it (else the plain one is the server's own).
func (w *wire) field(message, name, typ string, optional bool) (field, table string, err error) {
	list, err := carriers(typ, optional)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	base := name
	if name == "size" { // which would collide with a method of the generated Go code
		base = "size2"
	}
	fields := w.fields[message]
	fits := func(name string, c carrier) bool {
		f, ok := fields[name]
		return ok && f.Kind == c.kind && f.Repeated == c.repeated
	}
	for _, c := range list {
		for _, s := range c.suffixes {
			if fits(base+"_"+s, c) {
				return base + "_" + s, c.typ, nil
			}
		}
	}
	for _, c := range list {
		if fits(base, c) && !hasVariants(fields, base) {
			return base, c.typ, nil
		}
	}
	return "", "", noFieldError{message, name, typ}
}

// hasVariants reports whether a message has a field for the name with a suffix.
func hasVariants(fields map[string]tlset.Field, base string) bool {
	for name := range fields {
		if rest, ok := strings.CutPrefix(name, base+"_"); ok && upper.MatchString(rest) {
			return true
		}
	}
	return false
}
