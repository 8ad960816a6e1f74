package bff

import (
	"fmt"

	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// upgrade turns a request of one version of a method into one of the version
// that the handlers know. Clients of older layers call older versions, whose
// ids gotd's types do not know; without it they would be refused.
type upgrade struct {
	to    *tl.Method
	moves map[protowire.Number]move // by field of the old request
}

// move says which field of the new request takes what a field of the old one
// holds, and how it is written there.
type move struct {
	to  protowire.Number
	how conversion
}

type conversion uint8

const (
	asIs   conversion = iota
	wrap              // a plain value becomes an optional one
	unwrap            // and the other way round
)

// wrapper is the prefix of the kinds of optional values: wrap.string.
const wrapper = "wrap."

// newUpgrades compares all versions of all methods of a release with the one
// that gotd's types know: what they call alike, they mean alike. A parameter
// that only the old version has is left out, one that only the new version has
// is absent. Versions with another result are none.
func newUpgrades(schema *tl.Schema, release string) (map[uint32]*upgrade, error) {
	set, err := tl.ReadSet(release)
	if err != nil {
		return nil, fmt.Errorf("bff: %w", err)
	}
	messages := make(map[string]map[string]tlset.Field, len(set.Messages))
	for i := range set.Messages {
		m := &set.Messages[i]
		fields := make(map[string]tlset.Field, len(m.Fields))
		for _, f := range m.AllFields() {
			fields[f.Name] = f
		}
		messages[m.Name] = fields
	}
	known := tg.TypesMap()
	targets := map[string]*tlset.Method{}
	for i := range set.Methods {
		if m := &set.Methods[i]; known[m.ID] != "" {
			targets[m.Name] = m
		}
	}
	out := map[uint32]*upgrade{}
	for i := range set.Methods {
		m := &set.Methods[i]
		to := targets[m.Name]
		if to == nil || to.ID == m.ID || to.Result != m.Result || m.Path == "" || to.Path == "" {
			continue
		}
		out[m.ID] = &upgrade{to: schema.Method(to.ID), moves: moves(m, to, messages)}
	}
	return out, nil
}

func moves(from, to *tlset.Method, messages map[string]map[string]tlset.Field) map[protowire.Number]move {
	named := map[string]tlset.Field{}
	for _, p := range from.Params {
		if p.Field != "" {
			named[p.Name] = messages[from.Request][p.Field]
		}
	}
	out := map[protowire.Number]move{}
	for _, p := range to.Params {
		old, ok := named[p.Name]
		if !ok || p.Field == "" {
			continue
		}
		field := messages[to.Request][p.Field]
		if how, ok := convert(old, field); ok {
			out[protowire.Number(old.Number)] = move{protowire.Number(field.Number), how}
		}
	}
	return out
}

// convert tells how a value of one kind becomes one of another; ok is false
// when it means something else.
func convert(from, to tlset.Field) (how conversion, ok bool) {
	integer := func(kind string) bool { return kind == "int32" || kind == "int64" }
	alike := func(a, b string) bool { return a == b || integer(a) && integer(b) }
	switch {
	case from.Repeated != to.Repeated:
		return asIs, false
	case alike(from.Kind, to.Kind):
		return asIs, true
	case to.Kind == wrapper+from.Kind:
		return wrap, true
	case from.Kind == wrapper+to.Kind:
		return unwrap, true
	default:
		return asIs, false
	}
}

// request rewrites an old request as a new one. What is no protobuf is left to
// the schema to refuse.
func (u *upgrade) request(old []byte) []byte {
	out := make([]byte, 0, len(old)+16)
	out = protowire.AppendTag(out, 1, protowire.VarintType) // constructor
	out = protowire.AppendVarint(out, uint64(int64(int32(u.to.ID))))
	for len(old) > 0 {
		number, kind, tag := protowire.ConsumeTag(old)
		if tag < 0 {
			break
		}
		n := protowire.ConsumeFieldValue(number, kind, old[tag:])
		if n < 0 {
			break
		}
		value := old[tag : tag+n]
		old = old[tag+n:]
		if m, ok := u.moves[number]; ok {
			out = m.append(out, kind, value)
		}
	}
	return out
}

// append writes a field's value, which ends where the field did, under its new
// number.
func (m move) append(out []byte, kind protowire.Type, value []byte) []byte {
	switch m.how {
	case wrap: // a message whose field 1 is the value
		inner := append(protowire.AppendTag(nil, 1, kind), value...)
		return protowire.AppendBytes(protowire.AppendTag(out, m.to, protowire.BytesType), inner)
	case unwrap:
		inner, n := protowire.ConsumeBytes(value)
		if n < 0 {
			return out
		}
		_, kind, n = protowire.ConsumeTag(inner)
		if n < 0 {
			return out // the zero value
		}
		return append(protowire.AppendTag(out, m.to, kind), inner[n:]...)
	default:
		return append(protowire.AppendTag(out, m.to, kind), value...)
	}
}
