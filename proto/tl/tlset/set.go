// Package tlset holds a Teamgram wire release as data: the messages of its .proto files, the constructors and methods
// of its TL schemas, and which client layer writes which constructor. It reads and writes the reviewable text form
// (.tls) in which table sets are kept and exchanged; package tl compiles a Set into the programs that transcode.
package tlset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Set is one wire release. Names inside a parsed Set share one string, so keeping a name keeps the text it came from.
type Set struct {
	Release      string
	MinLayer     int // lowest client layer the release writes
	MaxLayer     int
	Messages     []Message // sorted by name
	Constructors []Constructor
	Methods      []Method
}

// Shape says what the implied fields of a message are.
type Shape uint8

// The shapes.
const (
	Union   Shape = iota // an object: 1 predicate_name, 2 constructor, then the fields of all its constructors
	Request              // a method call: 1 constructor, then the parameters of all versions of the method
	Vector               // the result of a method that returns Vector<T>: 1 datas, repeated
	Box                  // TL_x, a constructor by itself: 1 data2, the union
)

var shapeNames = [...]string{Union: "union", Request: "request", Vector: "vector", Box: "box"}

func (s Shape) String() string { return shapeNames[s] }

// Message is a protobuf message. Fields leaves out what Shape implies, except the single field of Vector and Box.
type Message struct {
	Name   string
	Shape  Shape
	Fields []Field // ascending by number
}

// Field is a protobuf field. Kind is int32, int64, double, string, bytes, bool, enum.E, wrap.int32 (a
// google.protobuf wrapper; likewise int64, double, string) or msg.M.
type Field struct {
	Number   int
	Name     string
	Kind     string
	Repeated bool
}

// Constructor is one version of a TL constructor.
type Constructor struct {
	Predicate string // as on the protobuf wire: dots are underscores
	ID        uint32
	Layers    Layers // client layers this version is written for; none: it is only read
	Type      string // TL type, as auth.SentCode
	Params    []Param
}

// Method is one version of a TL method.
type Method struct {
	Name    string // auth.signIn
	ID      uint32
	Layers  Layers // public layers that have this version; informative, any version is accepted
	Request string // TL_auth_signIn
	Path    string // /mtproto.RPCAuthorization/auth_signIn; empty when there is no such rpc
	Result  string // TL type, as Vector<User>; X for wrappers
	Params  []Param
}

// Param is one parameter of a constructor or method. Field is the protobuf field that carries it; empty for a flags word.
type Param struct {
	Name  string
	Field string
	Type  string
}

// MessageName is the name of the protobuf message for a TL type: dots become underscores.
func MessageName(tlType string) string { return strings.ReplaceAll(tlType, ".", "_") }

// implied lists the fields that Shape implies.
func (m *Message) implied() []Field {
	const enum = "enum.TLConstructor"
	switch m.Shape {
	case Union:
		return []Field{{Number: 1, Name: "predicate_name", Kind: "string"}, {Number: 2, Name: "constructor", Kind: enum}}
	case Request:
		return []Field{{Number: 1, Name: "constructor", Kind: enum}}
	default:
		return nil
	}
}

// AllFields returns every field of the message, the implied ones first.
func (m *Message) AllFields() []Field { return append(m.implied(), m.Fields...) }

// Hash identifies the protobuf side of the set: the hex SHA-256 over the sorted lines
// "message\tnumber\tname\tkind\tlabel\n" of all fields, label being singular or repeated. Two releases with equal
// hashes can read each other's messages.
func (s *Set) Hash() string {
	var lines []string
	for i := range s.Messages {
		m := &s.Messages[i]
		for _, f := range m.AllFields() {
			label := "singular"
			if f.Repeated {
				label = "repeated"
			}
			lines = append(lines, fmt.Sprintf("%s\t%d\t%s\t%s\t%s\n", m.Name, f.Number, f.Name, f.Kind, label))
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		h.Write([]byte(l))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Normalise puts the set into the order of the text form: messages by name, constructors by type and predicate,
// methods by name, versions newest first.
func (s *Set) Normalise() {
	slices.SortFunc(s.Messages, func(a, b Message) int { return strings.Compare(a.Name, b.Name) })
	for i := range s.Messages {
		slices.SortFunc(s.Messages[i].Fields, func(a, b Field) int { return a.Number - b.Number })
	}
	slices.SortFunc(s.Constructors, func(a, b Constructor) int {
		return firstNonZero(strings.Compare(a.Type, b.Type), strings.Compare(a.Predicate, b.Predicate),
			b.Layers.compare(a.Layers), compareID(a.ID, b.ID))
	})
	slices.SortFunc(s.Methods, func(a, b Method) int {
		return firstNonZero(strings.Compare(a.Name, b.Name), b.Layers.compare(a.Layers), compareID(a.ID, b.ID))
	})
}

func firstNonZero(cs ...int) int {
	for _, c := range cs {
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareID(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
