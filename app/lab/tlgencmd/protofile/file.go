package protofile

// File is one .proto file.
type File struct {
	Syntax   string // proto3; empty means proto2
	Package  string
	Messages []Message // nested ones too, as Outer.Inner
	Enums    []Enum
	Services []Service
}

// Message is a message type.
type Message struct {
	Name   string
	Line   int
	Fields []Field // in the order of the file
	Beyond string  // what it has that Field cannot say: oneof, map, optional, group, extensions; empty when nothing
}

// Field is a field. Type is as written: int32, User, google.protobuf.Int32Value, .pkg.Name.
type Field struct {
	Number   int
	Name     string
	Type     string
	Repeated bool
}

// Enum is an enum type.
type Enum struct {
	Name   string
	Line   int
	Values []Value // aliases included
}

// Value is a value of an enum.
type Value struct {
	Name   string
	Number int32
}

// Service is a gRPC service.
type Service struct {
	Name string
	RPCs []RPC
}

// RPC is a call. Types are as written.
type RPC struct {
	Name              string
	Request, Response string
	Streams           bool // one side or both
}
