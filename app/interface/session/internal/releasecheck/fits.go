package releasecheck

import (
	"slices"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// open reads a shipped release or the table set at a path.
func open(source string) (*tlset.Set, error) {
	if slices.Contains(tl.Releases(), source) {
		return tl.ReadSet(source)
	}
	return tl.OpenSet(source)
}

// Misfits returns what proves that an encoded answer of type message was not made
// by a server of the release, or table set, source. None proves nothing. An answer
// that is no protobuf, or none of that set, is an error.
func Misfits(source, message string, pb []byte) (list []tl.Misfit, err error) {
	set, err := open(source)
	if err != nil {
		return nil, err
	}
	list, err = tl.NewProbe(set).Check(message, pb)
	return slices.DeleteFunc(list, func(m tl.Misfit) bool { return !m.Reason.Proof() }), err
}
