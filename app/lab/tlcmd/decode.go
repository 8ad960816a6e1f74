package tlcmd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

const vectorID = 0x1cb5c415

// definition is a constructor or method.
type definition struct {
	title  string
	params []tlset.Param
}

// printer walks over TL with the names of a table set. It favours what helps a reader over speed.
type printer struct {
	defs   map[uint32]definition
	bare   map[string]definition // by predicate
	w      *bufio.Writer
	in     []byte
	pos    int
	depth  int
	unpack *int // bytes that gzip_packed may still fill, all levels together
}

func newPrinter(set *tlset.Set, in []byte, w io.Writer) *printer {
	p := &printer{defs: map[uint32]definition{}, bare: map[string]definition{}, w: bufio.NewWriter(w), in: in}
	unpack := maxInput
	p.unpack = &unpack
	for _, c := range set.Constructors {
		d := definition{fmt.Sprintf("%s#%08x", c.Predicate, c.ID), c.Params}
		p.defs[c.ID] = d
		if _, newer := p.bare[c.Predicate]; !newer {
			p.bare[c.Predicate] = d
		}
	}
	for _, m := range set.Methods {
		p.defs[m.ID] = definition{fmt.Sprintf("%s#%08x → %s", m.Name, m.ID, m.Result), m.Params}
	}
	return p
}

// payload prints objects until the input ends.
func (p *printer) payload() error {
	p.plain()
	var err error
	for err == nil && p.pos < len(p.in) {
		err = p.object("")
	}
	if err != nil {
		p.line("! %v", err)
		if p.pos < len(p.in) {
			p.line("! %d bytes left: %s", len(p.in)-p.pos, hexOf(p.in[p.pos:]))
		}
	}
	return errors.Join(err, p.w.Flush())
}

// plain passes the header of an unencrypted message: auth_key_id 0, msg_id, length.
func (p *printer) plain() {
	if len(p.in) < 20 || binary.LittleEndian.Uint64(p.in) != 0 ||
		int(binary.LittleEndian.Uint32(p.in[16:])) > len(p.in)-20 {
		return
	}
	p.line("unencrypted message msg_id=%s length=%d", msgID(binary.LittleEndian.Uint64(p.in[8:])),
		binary.LittleEndian.Uint32(p.in[16:]))
	p.pos = 20
}

func (p *printer) line(format string, args ...any) {
	p.w.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(p.w, format, args...)
	p.w.WriteByte('\n')
}

// object prints the boxed object at the position; label is what goes before its name.
func (p *printer) object(label string) error {
	at := p.pos
	id, err := p.u32()
	if err != nil {
		return err
	}
	if d, ok := p.defs[id]; ok {
		p.line("%s%s", label, d.title)
		return p.nested(func() error { return p.fields(d) })
	}
	if s, ok := services[id]; ok {
		return s(p, label)
	}
	if id == vectorID {
		return p.anyVector(label)
	}
	p.pos = at
	return tl.UnknownConstructorError{ID: id, Offset: at}
}

// nested runs f one level deeper.
func (p *printer) nested(f func() error) error {
	if p.depth++; p.depth > 3*tl.MaxDepth {
		return tl.LimitError{What: "depth", Offset: p.pos}
	}
	err := f()
	if err == nil {
		p.depth--
	}
	return err
}

func (p *printer) fields(d definition) error {
	words := map[string]uint32{}
	for _, f := range d.params {
		typ := f.Type
		if typ == "#" {
			v, err := p.u32()
			if err != nil {
				return err
			}
			words[f.Name] = v
			p.line("%s: %#b", f.Name, v)
			continue
		}
		if cond, rest, ok := strings.Cut(typ, "?"); ok {
			word, bit, _ := strings.Cut(cond, ".")
			n, _ := strconv.Atoi(bit) // Compile has accepted the set or will; a wrong bit prints a wrong tree
			if words[word]&(1<<n) == 0 {
				continue
			}
			typ = rest
		}
		if err := p.value(f.Name+": ", typ); err != nil {
			return err
		}
	}
	return nil
}

// value prints a value of a TL type.
func (p *printer) value(label, typ string) error {
	if elem, ok := strings.CutPrefix(typ, "Vector<"); ok {
		if id, err := p.u32(); err != nil {
			return err
		} else if id != vectorID {
			return tl.UnexpectedConstructorError{ID: id, Want: typ, Offset: p.pos - 4}
		}
		return p.vector(label, typ, strings.TrimSuffix(elem, ">"))
	}
	if elem, ok := strings.CutPrefix(typ, "vector<"); ok {
		return p.vector(label, typ, strings.TrimSuffix(elem, ">"))
	}
	switch typ {
	case "true":
		p.line("%strue", label)
		return nil
	case "!X":
		return p.object(label)
	case "string", "bytes":
		s, err := p.str()
		if err == nil {
			p.line("%s%s", label, text(s))
		}
		return err
	}
	if n, ok := fixed[typ]; ok {
		b, err := p.take(n)
		if err == nil {
			p.line("%s%s", label, number(typ, b))
		}
		return err
	}
	if name, ok := strings.CutPrefix(typ, "%"); ok {
		d := p.bare[strings.TrimPrefix(name, "TL_")]
		p.line("%s%s", label, d.title)
		return p.nested(func() error { return p.fields(d) })
	}
	return p.object(label)
}

func (p *printer) vector(label, typ, elem string) error {
	n, err := p.u32()
	if err != nil {
		return err
	}
	if int64(n) > int64(len(p.in)-p.pos)/4 {
		return tl.LimitError{What: "vector", Offset: p.pos - 4}
	}
	p.line("%s%s, %d", label, typ, n)
	return p.nested(func() error {
		for i := range n {
			if err := p.value(fmt.Sprintf("%d: ", i), elem); err != nil {
				return err
			}
		}
		return nil
	})
}

// anyVector prints a vector whose type no one told: boxed objects when it begins like one, else numbers.
func (p *printer) anyVector(label string) error {
	n, err := p.u32()
	if err != nil {
		return err
	}
	p.pos -= 4
	rest := len(p.in) - p.pos - 4
	elem := "Object"
	if n > 0 && rest >= 4 {
		_, known := p.defs[binary.LittleEndian.Uint32(p.in[p.pos+4:])]
		switch {
		case known:
		case rest == 8*int(n):
			elem = "long"
		case rest == 4*int(n):
			elem = "int"
		}
	}
	return p.vector(label, "Vector<"+elem+">", elem)
}
