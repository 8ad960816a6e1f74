package tl

import "fmt"

// The errors of transcoding are values of the types below, to be told apart with errors.As. Offsets count from the
// start of the input of the call.

// ErrUnknownConstructor says that the TL input holds a constructor or method the table set does not know.
type ErrUnknownConstructor struct {
	ID     uint32
	Offset int
}

func (e ErrUnknownConstructor) Error() string {
	return fmt.Sprintf("tl: unknown constructor %08x at offset %d", e.ID, e.Offset)
}

// ErrUnexpectedConstructor says that a known constructor stands where another type belongs.
type ErrUnexpectedConstructor struct {
	ID     uint32
	Want   string
	Offset int
}

func (e ErrUnexpectedConstructor) Error() string {
	return fmt.Sprintf("tl: constructor %08x at offset %d is no %s", e.ID, e.Offset, e.Want)
}

// ErrTruncated says that the TL input ends inside a value.
type ErrTruncated struct{ Offset int }

func (e ErrTruncated) Error() string {
	return fmt.Sprintf("tl: input ends inside the value at offset %d", e.Offset)
}

// ErrTrailing says that the TL input goes on after the object.
type ErrTrailing struct {
	Offset int
	Bytes  int
}

func (e ErrTrailing) Error() string {
	return fmt.Sprintf("tl: %d bytes follow the object that ends at offset %d", e.Bytes, e.Offset)
}

// ErrLimit says that the input exceeds a limit: depth, vector, string or output. Offset is 0 where the place is not known.
type ErrLimit struct {
	What   string
	Offset int
}

func (e ErrLimit) Error() string {
	return fmt.Sprintf("tl: %s limit exceeded at offset %d", e.What, e.Offset)
}

// ErrMalformed says that the protobuf input is no protobuf, or a value in it does not fit its TL type.
type ErrMalformed struct {
	What   string
	Offset int
}

func (e ErrMalformed) Error() string {
	return fmt.Sprintf("tl: malformed %s at offset %d", e.What, e.Offset)
}

// ErrUnknownMessage says that the table set has no protobuf message of this name.
type ErrUnknownMessage struct{ Message string }

func (e ErrUnknownMessage) Error() string { return fmt.Sprintf("tl: unknown message %q", e.Message) }

// ErrUnknownPredicate says that a protobuf object names no constructor of its type. An empty Predicate says that it names none.
type ErrUnknownPredicate struct{ Message, Predicate string }

func (e ErrUnknownPredicate) Error() string {
	return fmt.Sprintf("tl: message %s: unknown predicate %q", e.Message, e.Predicate)
}

// ErrUnknownMethod says that a protobuf request names no version of its method.
type ErrUnknownMethod struct {
	Message string
	ID      uint32
}

func (e ErrUnknownMethod) Error() string {
	return fmt.Sprintf("tl: message %s: no method %08x", e.Message, e.ID)
}

// ErrNotInLayer says that the client's layer has neither the constructor nor anything that may stand for it.
type ErrNotInLayer struct {
	Predicate string
	Layer     int
}

func (e ErrNotInLayer) Error() string {
	return fmt.Sprintf("tl: layer %d has no %s and nothing close to it", e.Layer, e.Predicate)
}

// ErrRequired says that an object that TL requires is absent from the protobuf message.
type ErrRequired struct{ Predicate, Field string }

func (e ErrRequired) Error() string {
	return fmt.Sprintf("tl: %s: required field %s is absent", e.Predicate, e.Field)
}

// ErrNoResult says that the method is a wrapper, whose result is that of the query inside.
type ErrNoResult struct{ Method string }

func (e ErrNoResult) Error() string { return fmt.Sprintf("tl: %s has no result of its own", e.Method) }
