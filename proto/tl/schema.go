package tl

import (
	"slices"
	"sync/atomic"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Schema is a compiled table set of one Teamgram wire release: immutable but for its counters, safe for concurrent use.
type Schema struct {
	name, hash         string
	minLayer, maxLayer int
	messages           map[string]*Message
	constructors       ids
	requests           ids
	byName             map[string][]*Method
	groups             []string

	clamped, substituted, dropped atomic.Uint64
}

// Message is a protobuf message of the release.
type Message struct {
	name   string
	shape  tlset.Shape
	fields []fieldName // ascending by number

	preds   names    // unions: their predicates
	whole   *program // vectors and boxes: the message as a program of one field
	only    *program // requests: the method, when it has one version
	bare    *program // boxes: the constructor inside
	inner   *Message // boxes: the union inside
	flat    bool     // unions: every constructor has a fixed size
	lacking []*predicate
	absent  *predicate
	drop    bool // a vector may lose an element of this type that the client's layer lacks
}

type fieldName struct {
	number int
	name   string
}

// Name is the name of the message without its package, as "Updates".
func (m *Message) Name() string { return m.name }

// Method is one version of a method.
type Method struct {
	Name   string // auth.signIn
	ID     uint32
	Path   string // gRPC path: /mtproto.RPCAuthorization/auth_signIn; empty for wrappers and what session answers itself
	Group  string // service name without its package: RPCAuthorization; empty when Path is
	Result string // TL type: auth.Authorization, Vector<User>; X for wrappers

	Request *Message // TL_auth_signIn
	Reply   *Message // auth_Authorization, Vector_User; nil for wrappers

	program *program
	layer   int // the newest that has this version; 0 when no public schema says
}

// Wrapper reports whether the method carries another query, as invokeWithLayer does.
func (m *Method) Wrapper() bool { return m.Reply == nil }

// Name of the release, as "0.223.1".
func (s *Schema) Name() string { return s.name }

// Hash identifies the protobuf side: see tlset.Set.Hash.
func (s *Schema) Hash() string { return s.hash }

// MinLayer is the lowest client layer the release writes. Lower ones get this one's constructors.
func (s *Schema) MinLayer() int { return s.minLayer }

// MaxLayer is the highest client layer the release writes. Higher ones get this one's constructors.
func (s *Schema) MaxLayer() int { return s.maxLayer }

// Method finds a method version by constructor id; nil when there is none.
func (s *Schema) Method(id uint32) *Method {
	if p := s.requests.get(id); p != nil {
		return p.method
	}
	return nil
}

// MethodByName returns all versions of a method by its TL name: that of the highest layer first, those of no known layer last.
// The caller must not change the slice.
func (s *Schema) MethodByName(name string) []*Method { return s.byName[name] }

// Groups returns the names of the release's gRPC services, sorted. The caller must not change the slice.
func (s *Schema) Groups() []string { return s.groups }

// Message finds a message by name; nil when there is none.
func (s *Schema) Message(name string) *Message { return s.messages[name] }

// FieldNumber resolves a field of a message by name. It is meant for start-up, not for each message.
func (s *Schema) FieldNumber(message, field string) (int, bool) {
	m := s.messages[message]
	if m == nil {
		return 0, false
	}
	i := slices.IndexFunc(m.fields, func(f fieldName) bool { return f.name == field })
	if i < 0 {
		return 0, false
	}
	return m.fields[i].number, true
}

// fieldByNumber names a field for error messages.
func (m *Message) fieldByNumber(n int) string {
	i, ok := slices.BinarySearchFunc(m.fields, n, func(f fieldName, n int) int { return f.number - n })
	if !ok {
		return "?"
	}
	return m.fields[i].name
}

// Stats counts what was done for clients whose layer the release does not quite have, since the schema was loaded.
type Stats struct {
	Clamped     uint64 // calls with a layer outside MinLayer..MaxLayer
	Substituted uint64 // objects written as another constructor, because the layer lacks theirs or they were absent
	Dropped     uint64 // optional fields and vector elements left out, because the layer lacks them
}

// Stats returns the counters.
func (s *Schema) Stats() Stats {
	return Stats{Clamped: s.clamped.Load(), Substituted: s.substituted.Load(), Dropped: s.dropped.Load()}
}
