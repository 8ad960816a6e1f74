package tlset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The text form is one fact a line, so that two releases can be compared with diff:
//
//	tlset 0.223.1 layers 139-223
//
//	union Bool
//	union auth_SentCode
//		3 type msg.auth_SentCodeType
//		8 users msg.User repeated
//	request TL_auth_signIn
//		3 phone_number string
//	vector Vector_Int int32
//	box TL_boolTrue Bool
//
//	ctor auth_sentCode#5e002502 139-223 flags:# type:auth.SentCodeType timeout:flags.2?int = auth.SentCode
//	method auth.signIn#8d52a951 146-228 TL_auth_signIn /mtproto.RPCAuthorization/auth_signIn … = auth.Authorization
//
// A parameter reads name:type, or name>field:type when the protobuf field has another name. Lines that start with # are
// comments. The text packed with zstd is accepted wherever the text is.

// maxText bounds the unpacked text, so that a wrong file fails instead of filling the memory.
const maxText = 32 << 20

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Unpack returns the text of a table-set file, which may be packed.
func Unpack(file []byte) ([]byte, error) {
	if !bytes.HasPrefix(file, zstdMagic) {
		return file, nil
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxText))
	if err != nil {
		return nil, fmt.Errorf("table set: %w", err)
	}
	defer d.Close()
	text, err := d.DecodeAll(file, nil)
	if err != nil {
		return nil, fmt.Errorf("table set: %w", err)
	}
	return text, nil
}

// Pack compresses the text form with zstd, to a sixth.
func Pack(text []byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("table set: %w", err)
	}
	return e.EncodeAll(text, nil), e.Close()
}

// Parse reads the text form. Its errors name the line.
func Parse(text []byte) (*Set, error) {
	p := parser{set: &Set{}}
	rest, n := string(text), 0
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		n++
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("table set: line %d: %w", n, err)
		}
	}
	if p.set.Release == "" {
		return nil, errors.New("table set: empty")
	}
	return p.set, nil
}

type parser struct {
	set   *Set
	block bool // the last message may have field lines
}

func (p *parser) line(line string) error {
	if strings.HasPrefix(line, "\t") {
		return p.field(line[1:])
	}
	if line == "" || line[0] == '#' {
		return nil
	}
	word, rest, _ := strings.Cut(line, " ")
	if p.set.Release == "" {
		return p.header(word, rest)
	}
	p.block = false
	switch word {
	case "union", "request":
		p.block = true
		return p.message(Shape(slices.Index(shapeNames[:], word)), rest, Field{})
	case "vector":
		name, kind, _ := strings.Cut(rest, " ")
		return p.message(Vector, name, Field{Number: 1, Name: "datas", Kind: kind, Repeated: true})
	case "box":
		name, union, _ := strings.Cut(rest, " ")
		return p.message(Box, name, Field{Number: 1, Name: "data2", Kind: "msg." + union})
	case "ctor":
		return p.constructor(rest)
	case "method":
		return p.method(rest)
	}
	return fmt.Errorf("unknown word %q", word)
}

func (p *parser) header(word, rest string) error {
	release, layers, ok := strings.Cut(rest, " layers ")
	l, err := ParseLayers(layers)
	if word != "tlset" || !ok || release == "" || err != nil || len(l) != 1 || l.every() {
		return errors.New(`want "tlset RELEASE layers FIRST-LAST"`)
	}
	p.set.Release, p.set.MinLayer, p.set.MaxLayer = release, l[0].First, l[0].Last
	return nil
}

func (p *parser) message(shape Shape, name string, only Field) error {
	if name == "" || strings.Contains(name, " ") || (only.Number != 0 && (only.Kind == "" || only.Kind == "msg.")) {
		return errors.New("malformed message")
	}
	m := Message{Name: name, Shape: shape}
	if only.Number != 0 {
		m.Fields = []Field{only}
	}
	p.set.Messages = append(p.set.Messages, m)
	return nil
}

func (p *parser) field(s string) error {
	number, rest, _ := strings.Cut(s, " ")
	name, rest, _ := strings.Cut(rest, " ")
	kind, label, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || name == "" || kind == "" || (label != "" && label != "repeated") || !p.block {
		return errors.New("malformed field")
	}
	m := &p.set.Messages[len(p.set.Messages)-1]
	if k := len(m.Fields); k > 0 && m.Fields[k-1].Number >= n {
		return errors.New("field numbers do not ascend")
	}
	m.Fields = append(m.Fields, Field{Number: n, Name: name, Kind: kind, Repeated: label != ""})
	return nil
}

func (p *parser) constructor(s string) error {
	name, id, layers, rest, err := definition(s)
	if err != nil {
		return err
	}
	params, typ, err := signature(rest)
	if err != nil {
		return err
	}
	p.set.Constructors = append(p.set.Constructors,
		Constructor{Predicate: name, ID: id, Layers: layers, Type: typ, Params: params})
	return nil
}

func (p *parser) method(s string) error {
	name, id, layers, rest, err := definition(s)
	if err != nil {
		return err
	}
	request, rest, _ := strings.Cut(rest, " ")
	path, rest, _ := strings.Cut(rest, " ")
	if path == "-" {
		path = ""
	}
	params, typ, err := signature(rest)
	if err != nil {
		return err
	}
	p.set.Methods = append(p.set.Methods,
		Method{Name: name, ID: id, Layers: layers, Request: request, Path: path, Result: typ, Params: params})
	return nil
}

// definition reads "name#id layers ".
func definition(s string) (name string, id uint32, layers Layers, rest string, err error) {
	head, rest, _ := strings.Cut(s, " ")
	list, rest, _ := strings.Cut(rest, " ")
	name, hexID, ok := strings.Cut(head, "#")
	n, err := strconv.ParseUint(hexID, 16, 32)
	if !ok || name == "" || err != nil {
		return "", 0, nil, "", fmt.Errorf("want name#id, have %q", head)
	}
	layers, err = ParseLayers(list)
	return name, uint32(n), layers, rest, err
}

// signature reads "name:type name>field:type … = Type".
func signature(s string) ([]Param, string, error) {
	var params []Param
	if n := strings.Count(s, ":"); n > 0 {
		params = make([]Param, 0, n)
	}
	for {
		word, rest, more := strings.Cut(s, " ")
		if word == "=" {
			if rest == "" || strings.Contains(rest, " ") {
				return nil, "", errors.New("want one type after =")
			}
			return params, rest, nil
		}
		names, typ, ok := strings.Cut(word, ":")
		if !ok || !more || names == "" || typ == "" {
			return nil, "", fmt.Errorf("want name:type, have %q", word)
		}
		name, field, renamed := strings.Cut(names, ">")
		if renamed && (field == "" || strings.Contains(field, ">")) {
			return nil, "", fmt.Errorf("want name>field:type, have %q", word)
		}
		if !renamed && typ != "#" {
			field = name
		}
		params = append(params, Param{Name: name, Field: field, Type: typ})
		s = rest
	}
}

// WriteText writes the text form of a normalised set.
func (s *Set) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "tlset %s layers %d-%d\n\n", s.Release, s.MinLayer, s.MaxLayer)
	for i := range s.Messages {
		m := &s.Messages[i]
		switch m.Shape {
		case Vector:
			fmt.Fprintf(b, "vector %s %s\n", m.Name, m.Fields[0].Kind)
		case Box:
			fmt.Fprintf(b, "box %s %s\n", m.Name, strings.TrimPrefix(m.Fields[0].Kind, "msg."))
		default:
			fmt.Fprintf(b, "%s %s\n", m.Shape, m.Name)
			for _, f := range m.Fields {
				fmt.Fprintf(b, "\t%d %s %s", f.Number, f.Name, f.Kind)
				if f.Repeated {
					b.WriteString(" repeated")
				}
				b.WriteByte('\n')
			}
		}
	}
	b.WriteByte('\n')
	for _, c := range s.Constructors {
		fmt.Fprintf(b, "ctor %s#%08x %s", c.Predicate, c.ID, c.Layers)
		writeSignature(b, c.Params, c.Type)
	}
	b.WriteByte('\n')
	for _, m := range s.Methods {
		path := m.Path
		if path == "" {
			path = "-"
		}
		fmt.Fprintf(b, "method %s#%08x %s %s %s", m.Name, m.ID, m.Layers, m.Request, path)
		writeSignature(b, m.Params, m.Result)
	}
	return b.Flush()
}

func writeSignature(b *bufio.Writer, params []Param, typ string) {
	for _, p := range params {
		b.WriteByte(' ')
		b.WriteString(p.Name)
		if p.Field != p.Name && p.Field != "" {
			b.WriteByte('>')
			b.WriteString(p.Field)
		}
		b.WriteByte(':')
		b.WriteString(p.Type)
	}
	b.WriteString(" = ")
	b.WriteString(typ)
	b.WriteByte('\n')
}
