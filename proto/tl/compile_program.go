package tl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// program compiles a parameter list into the steps of both directions.
func (c *compiler) program(p *program, params []tlset.Param) error {
	words := map[string]uint8{}
	var order []step // TL order, everything
	for _, t := range params {
		if t.Type == "#" {
			words[t.Name] = uint8(len(words) + 1)
			if len(words) > maxWords {
				return fmt.Errorf("more than %d flags words", maxWords)
			}
			order = append(order, step{kind: kFlags, late: words[t.Name]})
			continue
		}
		st, err := c.step(p, t, words)
		if err != nil {
			return fmt.Errorf("%s:%s: %w", t.Name, t.Type, err)
		}
		order = append(order, st)
	}
	if n := len(order) + 3*maxLate; n > maxSteps {
		return fmt.Errorf("%d fields are too many", len(order))
	}
	if err := p.index(order); err != nil {
		return err
	}
	p.write.prepare(false)
	p.flat = flatten(order)
	for i, f := range p.flat {
		p.fixed += int(f.size)
		p.slots[f.tag>>3] = uint8(i + 1)
	}
	c.orders = append(c.orders, ordered{p, order})
	p.room = max(int(p.headSize), headRoom) + len(p.flat)*maxFlatField + room
	return nil
}

// step compiles one parameter.
func (c *compiler) step(p *program, t tlset.Param, words map[string]uint8) (step, error) {
	var s step
	typ, optional := t.Type, false
	if cond, rest, ok := strings.Cut(t.Type, "?"); ok {
		word, bit, _ := strings.Cut(cond, ".")
		n, err := strconv.Atoi(bit)
		if words[word] == 0 || err != nil || n < 0 || n > 31 {
			return s, fmt.Errorf("no flag %q before it", cond)
		}
		s.word, s.mask, typ, optional = words[word], 1<<n, rest, true
	}
	kind, f, err := codingOf(typ, optional)
	if err != nil {
		return s, err
	}
	have, ok := c.fields[fieldKey{p.msg.name, t.Field}]
	if !ok || have.Kind != f.Kind || have.Repeated != f.Repeated {
		return s, fmt.Errorf("protobuf field %s.%s is no %s", p.msg.name, t.Field, f.Kind)
	}
	s.kind = kind
	s.setTag(have.Number<<3 | kind.wire())
	switch typ {
	case "int128":
		s.size = 16
	case "int256":
		s.size = 32
	}
	s.bare = strings.HasPrefix(typ, "vector<")
	s.text = strings.HasSuffix(have.Kind, "string") && !strings.Contains(typ, "bytes") && !slices.Contains(numbersAsStrings, p.msg.name)
	if name, isMsg := strings.CutPrefix(f.Kind, "msg."); isMsg {
		s.msg = c.s.messages[name]
		if s.msg == nil {
			return s, fmt.Errorf("no message %s", name)
		}
		if (kind == kBareObjects) != (s.msg.shape == tlset.Box) {
			return s, fmt.Errorf("message %s has the wrong shape", name)
		}
	}
	return s, nil
}

type pair struct {
	kind  kind
	field string
}

// The scalar kinds: to add one, give it a row here, a step kind in program.go, and a case in each of toproto.go and totl.go.
var (
	plain = map[string]pair{
		"int": {kInt, "int32"}, "long": {kLong, "int64"}, "double": {kDouble, "double"},
		"string": {kString, "string"}, "bytes": {kString, "bytes"},
		"int128": {kRaw, "bytes"}, "int256": {kRaw, "bytes"}, "!X": {kQuery, "bytes"},
	}
	wrapped = map[string]pair{ // under a flag
		"int": {kIntWrap, "wrap.int32"}, "long": {kLongWrap, "wrap.int64"}, "double": {kDoubleWrap, "wrap.double"},
		"string": {kStringWrap, "wrap.string"}, "true": {kTrue, "bool"},
	}
)

// codingOf maps a TL type without its condition to a step and to the protobuf field that must carry it.
func codingOf(typ string, optional bool) (kind, tlset.Field, error) {
	if elem, ok := vectorOf(typ); ok {
		fk, err := scalarOrMessage(elem)
		f := tlset.Field{Kind: fk, Repeated: true}
		switch {
		case strings.HasPrefix(elem, "%"):
			return kBareObjects, f, err
		case elem == "int":
			return kInts, f, err
		case elem == "long":
			return kLongs, f, err
		case elem == "string", elem == "bytes":
			return kStrings, f, err
		case strings.HasPrefix(fk, "msg."):
			return kObjects, f, err
		}
		return 0, f, fmt.Errorf("no vector of %s", elem)
	}
	if optional {
		if p, ok := wrapped[typ]; ok {
			return p.kind, tlset.Field{Kind: p.field}, nil
		}
	}
	if p, ok := plain[typ]; ok {
		return p.kind, tlset.Field{Kind: p.field}, nil
	}
	fk, err := scalarOrMessage(typ)
	if err == nil && !strings.HasPrefix(fk, "msg.") {
		err = fmt.Errorf("no type %s", typ)
	}
	return kObject, tlset.Field{Kind: fk}, err
}

// vectorOf splits Vector<T> and vector<T>.
func vectorOf(typ string) (elem string, ok bool) {
	if elem, ok = strings.CutPrefix(typ, "Vector<"); !ok {
		elem, ok = strings.CutPrefix(typ, "vector<")
	}
	if !ok {
		return "", false
	}
	return strings.CutSuffix(elem, ">")
}

// vectorType is the TL type of a vector message whose elements have the kind.
func vectorType(kind string) (string, bool) {
	switch kind {
	case "int32":
		return "Vector<int>", true
	case "int64":
		return "Vector<long>", true
	case "string", "bytes":
		return "Vector<" + kind + ">", true
	}
	name, ok := strings.CutPrefix(kind, "msg.")
	return "Vector<" + name + ">", ok
}

// scalarOrMessage is the protobuf kind of a vector element or object.
func scalarOrMessage(typ string) (string, error) {
	switch typ {
	case "int":
		return "int32", nil
	case "long":
		return "int64", nil
	case "string", "bytes":
		return typ, nil
	case "", "#", "true", "double", "int128", "int256":
		return "", fmt.Errorf("no object %q", typ)
	}
	return "msg." + tlset.MessageName(strings.TrimPrefix(typ, "%")), nil
}

func (s *step) setTag(tag int) {
	s.tag, s.tagBytes, s.tagSize = uint16(tag), uint16(tag), 1
	if tag >= 0x80 {
		s.tagBytes, s.tagSize = uint16(tag&0x7f|0x80|tag>>7<<8), 2
	}
}

func (k kind) wire() int {
	switch k {
	case kTrue, kInt, kLong:
		return wireVarint
	case kDouble:
		return wireFixed
	}
	return wireBytes
}

// movable steps are cheap to pass over in TL and to run later.
func (s *step) movable() bool {
	switch s.kind {
	case kObject:
		return s.msg.flat
	case kTrue, kInt, kLong, kDouble, kString, kRaw, kIntWrap, kLongWrap, kDoubleWrap, kStringWrap:
		return true
	}
	return false
}

func (k kind) coding() coding {
	switch k {
	case kTrue, kInt, kLong:
		return cVarint
	case kDouble:
		return cFixed
	case kString, kRaw, kQuery:
		return cContent
	case kInts, kLongs:
		return cPacked
	case kStrings, kObjects, kBareObjects:
		return cRepeated
	}
	return cBytes
}

func (s *step) number() int { return int(s.tag >> 3) }

// index prepares protobuf -> TL: slots, the order of writing, shared flag bits. The slot of a field is the index of its step.
func (p *program) index(order []step) error {
	add := func(s step) error {
		slot := len(p.fields)
		p.fields = append(p.fields, slotInfo{tag: s.tag, coding: s.kind.coding(), word: s.word, mask: s.mask})
		if s.kind == kFlags {
			return nil
		}
		n := s.number()
		for len(p.slots) <= n {
			p.slots = append(p.slots, 0)
		}
		if p.slots[n] != 0 {
			return fmt.Errorf("two parameters in protobuf field %d", n)
		}
		p.slots[n] = uint8(slot + 1)
		return nil
	}
	for _, s := range order {
		if s.kind != kTrue {
			p.write.steps = append(p.write.steps, s)
		}
	}
	for _, s := range order {
		if s.kind == kTrue {
			p.write.steps = append(p.write.steps, s)
		}
	}
	for _, s := range p.write.steps {
		if err := add(s); err != nil {
			return err
		}
	}
	p.share()
	return nil
}

// share notes the flag bits that several fields hang on.
func (p *program) share() {
	var groups []group
	for i, f := range p.fields {
		if f.word == 0 {
			continue
		}
		k := slices.IndexFunc(groups, func(g group) bool { return g.word == f.word && g.mask == f.mask })
		if k < 0 {
			k = len(groups)
			groups = append(groups, group{word: f.word, mask: f.mask})
		}
		g := &groups[k]
		g.fields++
		switch p.write.steps[i].kind {
		case kTrue:
		case kObject:
			g.objects = append(g.objects, uint8(i))
			fallthrough
		default:
			g.steps.put(i)
		}
	}
	for _, g := range groups {
		if g.fields > 1 {
			p.shared = append(p.shared, g)
		}
	}
}

// fixed is the TL size of a kind; 0 when it has none.
func (k kind) fixed(raw uint8) int {
	switch k {
	case kInt, kIntWrap:
		return 4
	case kLong, kDouble, kLongWrap, kDoubleWrap:
		return 8
	case kRaw:
		return int(raw)
	}
	return 0
}

// estimate guesses the protobuf size of an object; typical is that of the types inside.
func estimate(head int, order []step, typical func(*Message) int) int {
	n := head
	for _, s := range order {
		size := 0
		switch s.kind {
		case kInt, kIntWrap:
			size = 4
		case kLong, kDouble, kLongWrap, kDoubleWrap:
			size = 10
		case kString, kRaw, kStringWrap:
			size = 16
		case kObject:
			size = typical(s.msg)
		case kInts, kLongs, kStrings, kObjects, kBareObjects:
			size = 64
		}
		if s.word != 0 {
			size /= 3
		}
		n += size
	}
	return n
}
