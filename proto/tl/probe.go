package tl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Probe finds out whether messages from another server were made from the .proto files of a table set. It knows nothing of
// who wrote a message; it looks for what a server with the same files would not have written. No misfit proves nothing:
// most messages have the same numbers in neighbouring releases.
//
// A Probe is immutable and safe for concurrent use. For a whole release it holds about 4 MiB, so keep it only while probing.
type Probe struct{ messages map[string]*probed }

// probed is a message as the probe sees it.
type probed struct {
	fields  map[protowire.Number]tlset.Field
	preds   map[string]*known         // unions: by predicate
	claimed map[protowire.Number]bool // unions: numbers that some constructor has; the others are the server's own
}

// known is what the versions of one predicate have, all together.
type known struct {
	ids    map[uint32]bool
	fields map[protowire.Number]bool
}

// Reason says what is wrong with a field.
type Reason uint8

// The reasons. The first four cannot come from a server with the same .proto files. The last two are hints: a server may
// fill fields that its constructor does not have, and what it writes into constructor counts for nothing.
const (
	UnknownField     Reason = iota // the set's message has no such number
	WrongWire                      // the number's kind has another wire type
	WrongContent                   // the bytes are no message of the kind the number has
	UnknownPredicate               // predicate_name is none of the type
	UnknownID                      // constructor is no version of the predicate
	StrayField                     // no version of the predicate has the field
)

var reasons = [...]string{"unknown field", "wrong wire type", "wrong content", "unknown predicate", "unknown constructor id", "stray field"}

func (r Reason) String() string { return reasons[r] }

// Proof reports whether the reason proves other .proto files.
func (r Reason) Proof() bool { return r < UnknownID }

// Misfit is one finding.
type Misfit struct {
	Message string // innermost message: Message, Update
	Field   int
	Name    string // of the field in the set; empty when it has none
	Reason  Reason
}

func (m Misfit) String() string {
	name := ""
	if m.Name != "" {
		name = " " + m.Name
	}
	return fmt.Sprintf("%s.%d%s: %s", m.Message, m.Field, name, m.Reason)
}

// maxMisfits bounds what one Check reports.
const maxMisfits = 16

var errNotProtobuf = errors.New("tl: probe: no protobuf message")

// NewProbe makes a probe for all messages of a set.
func NewProbe(set *tlset.Set) *Probe {
	p := &Probe{messages: make(map[string]*probed, len(set.Messages))}
	for i := range set.Messages {
		t := &set.Messages[i]
		m := &probed{fields: map[protowire.Number]tlset.Field{}}
		for _, f := range t.AllFields() {
			m.fields[protowire.Number(f.Number)] = f
		}
		if t.Shape == tlset.Union {
			m.preds, m.claimed = map[string]*known{}, map[protowire.Number]bool{1: true, 2: true}
		}
		p.messages[t.Name] = m
	}
	for i := range set.Constructors {
		p.constructor(&set.Constructors[i])
	}
	return p
}

func (p *Probe) constructor(c *tlset.Constructor) {
	m := p.messages[tlset.MessageName(c.Type)]
	if m == nil || m.preds == nil {
		return
	}
	k := m.preds[c.Predicate]
	if k == nil {
		k = &known{ids: map[uint32]bool{}, fields: map[protowire.Number]bool{1: true, 2: true}}
		m.preds[c.Predicate] = k
	}
	k.ids[c.ID] = true
	for n, f := range m.fields {
		if slices.ContainsFunc(c.Params, func(t tlset.Param) bool { return t.Field == f.Name }) {
			k.fields[n], m.claimed[n] = true, true
		}
	}
}

// Check looks through an encoded message and everything inside it. It returns at most 16 different misfits, and an error
// when pb is no protobuf message at all or the set has no message of that name.
func (p *Probe) Check(message string, pb []byte) ([]Misfit, error) {
	if p.messages[message] == nil {
		return nil, UnknownMessageError{message}
	}
	c := check{p: p}
	if !c.message(message, pb, 0) {
		return c.found, errNotProtobuf
	}
	return c.found, nil
}

type check struct {
	p     *Probe
	found []Misfit
}

func (c *check) note(message string, n protowire.Number, name string, r Reason) {
	m := Misfit{message, int(n), name, r}
	if len(c.found) < maxMisfits && !slices.Contains(c.found, m) {
		c.found = append(c.found, m)
	}
}

// message checks one message. It returns false when b is no protobuf; what was found until then stays.
func (c *check) message(name string, b []byte, depth int) bool {
	m := c.p.messages[name]
	if m == nil || depth > MaxDepth {
		return true
	}
	pred, ok := c.head(name, m, b)
	if !ok {
		return false
	}
	for len(b) > 0 {
		n, wire, size := protowire.ConsumeTag(b)
		if size < 0 {
			return false
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, wire, b); size < 0 {
			return false
		}
		value := b[:size]
		b = b[size:]
		f, ok := m.fields[n]
		switch {
		case !ok:
			c.note(name, n, "", UnknownField)
			continue
		case !fits(f, wire):
			c.note(name, n, f.Name, WrongWire)
			continue
		case pred != nil && m.claimed[n] && !pred.fields[n]:
			c.note(name, n, f.Name, StrayField)
		}
		if wire == protowire.BytesType && !c.content(f, value, depth) {
			c.note(name, n, f.Name, WrongContent)
		}
	}
	return true
}

// head checks what a union says of itself; pred is nil when it does not say what it is.
func (c *check) head(name string, m *probed, b []byte) (pred *known, ok bool) {
	var predicate []byte
	var id uint64
	for len(b) > 0 && m.preds != nil {
		n, wire, size := protowire.ConsumeTag(b)
		if size < 0 {
			return nil, false
		}
		b = b[size:]
		switch {
		case n == 1 && wire == protowire.BytesType:
			predicate, size = protowire.ConsumeBytes(b)
		case n == 2 && wire == protowire.VarintType:
			id, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, wire, b)
		}
		if size < 0 {
			return nil, false
		}
		b = b[size:]
	}
	if len(predicate) == 0 {
		return nil, true
	}
	if pred = m.preds[string(predicate)]; pred == nil {
		if len(m.preds) > 0 { // else the type is the server's own
			c.note(name, 1, "predicate_name", UnknownPredicate)
		}
	} else if id != 0 && !pred.ids[uint32(id)] {
		c.note(name, 2, "constructor", UnknownID)
	}
	return pred, true
}

// content checks the inside of a length-delimited value with its length in front.
func (c *check) content(f tlset.Field, value []byte, depth int) bool {
	inner, n := protowire.ConsumeBytes(value)
	if n < 0 {
		return false
	}
	if message, ok := strings.CutPrefix(f.Kind, "msg."); ok {
		return c.message(message, inner, depth+1)
	}
	wrapped, ok := strings.CutPrefix(f.Kind, "wrap.")
	for ok && len(inner) > 0 {
		n, wire, size := protowire.ConsumeField(inner)
		if size < 0 || n != 1 || !fits(tlset.Field{Kind: wrapped}, wire) {
			return false
		}
		inner = inner[size:]
	}
	return true
}

// fits reports whether a field may have the wire type. Repeated numbers may be packed or not.
func fits(f tlset.Field, wire protowire.Type) bool {
	want := protowire.BytesType
	switch kind, _, _ := strings.Cut(f.Kind, "."); kind {
	case "int32", "int64", "bool", "enum":
		want = protowire.VarintType
	case "double":
		want = protowire.Fixed64Type
	}
	return wire == want || f.Repeated && wire == protowire.BytesType
}
