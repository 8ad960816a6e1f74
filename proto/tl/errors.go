package tl

import "fmt"

// The errors of transcoding are values of the types below, to be told apart with errors.As. Offsets count from the
// start of the input of the call. Reading TL gives UnknownConstructorError, UnexpectedConstructorError, TruncatedError and
// LimitError; writing TL gives MalformedError, UnknownPredicateError, UnknownMethodError, NotInLayerError, RequiredError
// and LimitError; both give UnknownMessageError.

// UnknownConstructorError says that the TL input holds a constructor or method the table set does not know.
type UnknownConstructorError struct {
	ID     uint32
	Offset int
}

func (e UnknownConstructorError) Error() string {
	return fmt.Sprintf("tl: unknown constructor %08x at offset %d", e.ID, e.Offset)
}

// UnexpectedConstructorError says that a known constructor stands where another type belongs.
type UnexpectedConstructorError struct {
	ID     uint32
	Want   string
	Offset int
}

func (e UnexpectedConstructorError) Error() string {
	return fmt.Sprintf("tl: constructor %08x at offset %d is no %s", e.ID, e.Offset, e.Want)
}

// TruncatedError says that the TL input ends inside a value.
type TruncatedError struct{ Offset int }

func (e TruncatedError) Error() string {
	return fmt.Sprintf("tl: input ends inside the value at offset %d", e.Offset)
}

// TrailingError says that the TL input goes on after the object. Decode takes that, and says how much it read: a caller
// that allows no rest returns this error.
type TrailingError struct {
	Offset int
	Bytes  int
}

func (e TrailingError) Error() string {
	return fmt.Sprintf("tl: %d bytes follow the object that ends at offset %d", e.Bytes, e.Offset)
}

// LimitError says that the input exceeds a limit: depth, vector, string or output. Offset is 0 where the place is not known.
type LimitError struct {
	What   string
	Offset int
}

func (e LimitError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("tl: %s limit exceeded", e.What)
	}
	return fmt.Sprintf("tl: %s limit exceeded at offset %d", e.What, e.Offset)
}

// MalformedError says that the protobuf input is no protobuf, or a value in it does not fit its TL type.
type MalformedError struct {
	What   string
	Offset int
}

func (e MalformedError) Error() string {
	return fmt.Sprintf("tl: malformed %s at offset %d", e.What, e.Offset)
}

// UnknownMessageError says that the table set has no protobuf message of this name, or, where Message is empty, that a call
// got none.
type UnknownMessageError struct{ Message string }

func (e UnknownMessageError) Error() string {
	if e.Message == "" {
		return "tl: the message is not one of the release"
	}
	return fmt.Sprintf("tl: unknown message %q", e.Message)
}

// UnknownPredicateError says that a protobuf object names no constructor of its type. An empty Predicate says that it names none.
type UnknownPredicateError struct{ Message, Predicate string }

func (e UnknownPredicateError) Error() string {
	return fmt.Sprintf("tl: message %s: unknown predicate %q", e.Message, e.Predicate)
}

// UnknownMethodError says that a protobuf request names no version of its method.
type UnknownMethodError struct {
	Message string
	ID      uint32
}

func (e UnknownMethodError) Error() string {
	return fmt.Sprintf("tl: message %s: no method %08x", e.Message, e.ID)
}

// NotInLayerError says that the client's layer has neither the constructor nor anything that may stand for it.
type NotInLayerError struct {
	Predicate string
	Layer     int
}

func (e NotInLayerError) Error() string {
	return fmt.Sprintf("tl: layer %d has no %s and nothing close to it", e.Layer, e.Predicate)
}

// RequiredError says that an object that TL requires is absent from the protobuf message.
type RequiredError struct{ Predicate, Field string }

func (e RequiredError) Error() string {
	return fmt.Sprintf("tl: %s: required field %s is absent", e.Predicate, e.Field)
}
