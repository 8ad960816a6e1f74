package tl

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Compile turns a table set into programs. It fails when the set contradicts itself: a name that leads nowhere, a field
// whose TL type and protobuf kind do not go together, two constructors with one id, two versions for one layer.
func Compile(set *tlset.Set) (*Schema, error) {
	c := compiler{
		set: set,
		s: &Schema{
			name: set.Release, hash: set.Hash(), minLayer: set.MinLayer, maxLayer: set.MaxLayer,
			messages:     make(map[string]*Message, len(set.Messages)),
			constructors: newIDs(len(set.Constructors)),
			requests:     newIDs(len(set.Methods)),
			byName:       map[string][]*Method{},
		},
		fields:  make(map[fieldKey]tlset.Field, 8*len(set.Messages)),
		preds:   map[string]*predicate{},
		vectors: map[string]*Message{},
	}
	for _, pass := range []func() error{c.messages, c.constructors, c.methods, c.wholes, c.schedule, c.blocks, c.substitutes} {
		if err := pass(); err != nil {
			return nil, fmt.Errorf("tl: table set %s: %w", set.Release, err)
		}
	}
	return c.s, nil
}

type compiler struct {
	set     *tlset.Set
	s       *Schema
	fields  map[fieldKey]tlset.Field
	preds   map[string]*predicate
	vectors map[string]*Message // by kind of element
	orders  []ordered
}

// ordered is a program with its steps in TL order, waiting to be scheduled.
type ordered struct {
	p     *program
	steps []step
}

type fieldKey struct{ message, field string }

func (c *compiler) messages() error {
	for i := range c.set.Messages {
		t := &c.set.Messages[i]
		m := &Message{name: t.Name, shape: t.Shape}
		if c.s.messages[m.name] != nil {
			return fmt.Errorf("message %s twice", m.name)
		}
		c.s.messages[m.name] = m
		for _, f := range t.AllFields() {
			if f.Number > maxNumber {
				return fmt.Errorf("message %s: field number %d is above %d", m.name, f.Number, maxNumber)
			}
			m.fields = append(m.fields, fieldName{f.Number, f.Name})
			c.fields[fieldKey{m.name, f.Name}] = f
		}
		if m.shape == tlset.Vector {
			c.vectors[t.Fields[0].Kind] = m
		}
	}
	return nil
}

func (c *compiler) constructors() error {
	layers := c.set.MaxLayer - c.set.MinLayer + 1
	for i := range c.set.Constructors {
		t := &c.set.Constructors[i]
		m := c.s.messages[tlset.MessageName(t.Type)]
		if m == nil || m.shape != tlset.Union {
			return fmt.Errorf("constructor %s#%08x: no union message for %s", t.Predicate, t.ID, t.Type)
		}
		p := &program{id: t.ID, msg: m, name: t.Predicate, last: -1}
		head := append([]byte{1<<3 | wireBytes, byte(len(t.Predicate))}, t.Predicate...)
		p.setHead(appendVarint(append(head, 2<<3|wireVarint), uint64(int64(int32(t.ID)))))
		if len(t.Predicate) > 127 {
			return fmt.Errorf("predicate %s is too long", t.Predicate)
		}
		if err := c.program(p, t.Params); err != nil {
			return fmt.Errorf("constructor %s#%08x: %w", t.Predicate, t.ID, err)
		}
		if !c.s.constructors.put(p) {
			return fmt.Errorf("constructor %08x twice", t.ID)
		}
		pred := c.preds[t.Predicate]
		if pred == nil {
			pred = &predicate{name: t.Predicate, byLayer: make([]*program, layers)}
			c.preds[t.Predicate] = pred
		}
		p.pred = pred
		for l := range layers {
			if !t.Layers.Contains(c.set.MinLayer + l) {
				continue
			}
			if pred.byLayer[l] != nil {
				return fmt.Errorf("predicate %s: two versions for layer %d", pred.name, c.set.MinLayer+l)
			}
			pred.byLayer[l] = p
			if p.last++; p.first > p.last || int(p.last) != l {
				p.first, p.last = int16(l), int16(l)
			}
		}
	}
	for _, p := range c.preds {
		p.shrink()
	}
	return c.unions()
}

// unions gives every union its predicates.
func (c *compiler) unions() error {
	of := map[*Message][]*predicate{}
	owner := map[string]*Message{}
	for i := range c.set.Constructors {
		t := &c.set.Constructors[i]
		m := c.s.messages[tlset.MessageName(t.Type)]
		switch owner[t.Predicate] {
		case m:
			continue
		case nil:
		default:
			return fmt.Errorf("predicate %s in two types", t.Predicate)
		}
		owner[t.Predicate] = m
		of[m] = append(of[m], c.preds[t.Predicate])
	}
	for m, preds := range of {
		m.preds = newNames(len(preds))
		for _, p := range preds {
			m.preds.put(p)
		}
	}
	return nil
}

func (c *compiler) methods() error {
	groups := map[string]bool{}
	for i := range c.set.Methods {
		t := &c.set.Methods[i]
		req := c.s.messages[t.Request]
		if req == nil || req.shape != tlset.Request {
			return fmt.Errorf("method %s#%08x: no request message %s", t.Name, t.ID, t.Request)
		}
		m := &Method{Name: t.Name, ID: t.ID, Path: t.Path, Result: t.Result, Request: req, layer: t.Layers.Newest()}
		if err := c.reply(m); err != nil {
			return fmt.Errorf("method %s#%08x: %w", t.Name, t.ID, err)
		}
		if t.Path != "" {
			service, _, ok := strings.Cut(strings.TrimPrefix(t.Path, "/"), "/")
			m.Group = service[strings.LastIndexByte(service, '.')+1:]
			if !ok || m.Group == "" {
				return fmt.Errorf("method %s: malformed path %s", t.Name, t.Path)
			}
			groups[m.Group] = true
		}
		p := &program{id: t.ID, msg: req, name: t.Name, method: m}
		p.setHead(appendVarint([]byte{1<<3 | wireVarint}, uint64(int64(int32(t.ID)))))
		if err := c.program(p, t.Params); err != nil {
			return fmt.Errorf("method %s#%08x: %w", t.Name, t.ID, err)
		}
		if !c.s.requests.put(p) || c.s.constructors.get(t.ID) != nil {
			return fmt.Errorf("method %08x twice", t.ID)
		}
		m.program = p
		c.s.byName[t.Name] = append(c.s.byName[t.Name], m)
		if req.only = p; len(c.s.byName[t.Name]) > 1 {
			req.only = nil
		}
	}
	for _, versions := range c.s.byName {
		slices.SortStableFunc(versions, func(a, b *Method) int { return b.layer - a.layer })
	}
	for g := range groups {
		c.s.groups = append(c.s.groups, g)
	}
	slices.Sort(c.s.groups)
	return nil
}

// reply resolves the message a method answers with.
func (c *compiler) reply(m *Method) error {
	if m.Result == "X" {
		return nil
	}
	name := m.Result
	if elem, ok := vectorOf(m.Result); ok {
		f, err := scalarOrMessage(elem)
		if err != nil {
			return err
		}
		if m.Reply = c.vectors[f]; m.Reply == nil {
			return fmt.Errorf("no vector message for %s", m.Result)
		}
		return nil
	}
	if m.Reply = c.s.messages[tlset.MessageName(name)]; m.Reply == nil || m.Reply.shape != tlset.Union {
		return fmt.Errorf("no message for result %s", m.Result)
	}
	return nil
}

// wholes makes programs of vector messages, which are a field without an object around it, and of boxes.
func (c *compiler) wholes() error {
	for i := range c.set.Messages {
		t := &c.set.Messages[i]
		m := c.s.messages[t.Name]
		switch t.Shape {
		case tlset.Vector:
			p := &program{msg: m, name: m.name, noCrc: true}
			typ, ok := vectorType(t.Fields[0].Kind)
			if !ok {
				return fmt.Errorf("vector %s: cannot hold %s", m.name, t.Fields[0].Kind)
			}
			if err := c.program(p, []tlset.Param{{Name: "datas", Field: "datas", Type: typ}}); err != nil {
				return fmt.Errorf("vector %s: %w", m.name, err)
			}
			m.whole = p
		case tlset.Box:
			m.inner = c.s.messages[strings.TrimPrefix(t.Fields[0].Kind, "msg.")]
			if m.inner == nil || m.inner.shape != tlset.Union {
				return fmt.Errorf("box %s: no union %s", m.name, t.Fields[0].Kind)
			}
			s := step{kind: kBoxed, msg: m.inner}
			s.setTag(1<<3 | wireBytes)
			p := &program{
				msg: m, name: m.name, noCrc: true, room: headRoom, slots: []uint8{0, 1},
				fields: []slotInfo{{tag: s.tag, coding: cBytes}},
			}
			p.read.steps, p.write.steps = []step{s}, []step{s}
			p.read.prepare(true)
			p.write.prepare(false)
			m.whole = p
		}
	}
	return nil
}

// schedule orders the steps of all programs, once it is known which types have a fixed size.
func (c *compiler) schedule() error {
	for _, m := range c.s.messages {
		m.flat = m.shape == tlset.Union
	}
	for _, o := range c.orders {
		if o.p.flat == nil {
			o.p.msg.flat = false
		}
	}
	type total struct{ size, of int }
	totals := map[*Message]total{}
	for _, o := range c.orders {
		n := totals[o.p.msg]
		n.size += estimate(int(o.p.headSize), o.steps, func(*Message) int { return 32 })
		n.of++
		totals[o.p.msg] = n
	}
	typical := func(m *Message) int { n := totals[m]; return n.size / max(n.of, 1) }
	for _, o := range c.orders {
		o.p.prefix = uint8(sizeVarint(uint64(estimate(int(o.p.headSize), o.steps, typical))))
		o.p.schedule(o.steps)
		o.p.read.prepare(true)
		o.p.number()
		o.p.flagged = len(o.steps) > 0 && o.p.read.steps[0].kind == kFlags
		box := c.s.messages["TL_"+o.p.name]
		if o.p.pred != nil && box != nil && box.shape == tlset.Box && box.bare == nil {
			bare := *o.p // the newest, since versions stand newest first
			bare.noCrc = true
			box.bare = &bare
		}
	}
	return nil
}

// blocks moves all steps that read into one place, where each has 64 behind it.
func (c *compiler) blocks() error {
	plans := make([]*plan, 0, len(c.orders)+len(c.s.messages))
	for _, o := range c.orders {
		plans = append(plans, &o.p.read)
	}
	for _, m := range c.s.messages {
		if m.shape == tlset.Box {
			plans = append(plans, &m.whole.read)
		}
		if m.bare != nil {
			plans = append(plans, &m.bare.read)
		}
	}
	total := maxSteps
	for _, p := range plans {
		total += len(p.steps)
	}
	all := make([]step, 0, total)
	for _, p := range plans {
		at, n := len(all), len(p.steps)
		all = append(all, p.steps...)
		for i := range p.blocks {
			p.blocks[i] = (*block)(all[at+64*i : at+64*i+64])
		}
		p.steps = all[at : at+n : at+n]
	}
	return nil
}

// number prepares stream, if it can write the program. Fields come too early that have a lower number than one that precedes
// them in TL.
func (p *program) number() {
	if p.flat != nil || len(p.fields) > 64 || slices.ContainsFunc(p.write.steps, func(s step) bool {
		return s.kind == kRaw || s.kind == kQuery || s.kind == kBoxed
	}) {
		return
	}
	p.numbers = slices.Repeat([]numbered{foreign}, len(p.slots))
	highest := 0
	for i, s := range p.write.steps {
		if s.kind == kFlags {
			continue
		}
		n := &p.numbers[s.number()]
		*n = numbered{kind: s.kind, wire: uint8(s.tag & 7), slot: uint8(i), word: s.word}
		if s.word != 0 {
			n.flag = uint8(bits.TrailingZeros32(s.mask))
		}
		if s.kind != kTrue {
			n.held = s.number() < highest
			p.holds = p.holds || n.held
			highest = max(highest, s.number())
		}
	}
}

// substitutes resolves the reviewed lists of what may stand for what.
func (c *compiler) substitutes() error {
	find := func(m *Message, name string) *predicate {
		if p := c.preds[name]; p != nil && m.preds.get([]byte(name)) == p {
			return p
		}
		return nil
	}
	for name, list := range lackingInLayer {
		if m := c.s.messages[name]; m != nil {
			for _, p := range list {
				if pred := find(m, p); pred != nil {
					m.lacking = append(m.lacking, pred)
				}
			}
		}
	}
	for name, p := range absentObject {
		if m := c.s.messages[name]; m != nil {
			m.absent = find(m, p)
		}
	}
	for _, name := range dropFromVector {
		if m := c.s.messages[name]; m != nil {
			m.drop = true
		}
	}
	return nil
}
