package sess

import (
	"io"

	"github.com/tgsession/tgsession/proto/tl"
)

// MainAuthWrapper is the state of one perm auth key, or of one temp key that is
// not bound yet.
type MainAuthWrapper struct {
	key     int64
	unbound bool
	cfg     *Config
	schema  *tl.Schema
	rnd     io.Reader
}

// SessionList is the sessions of one transport key.
type SessionList struct{ authKeyID int64 }

type pendingCall struct{ ticket Ticket }

// New makes the wrapper of a key. unbound says that the key is a temp key
// without a perm key. cfg must have its defaults set; cfg, schema and rnd are
// shared by all wrappers, rnd must be safe for that.
func New(key int64, unbound bool, cfg *Config, schema *tl.Schema, rnd io.Reader) *MainAuthWrapper {
	return &MainAuthWrapper{key: key, unbound: unbound, cfg: cfg, schema: schema, rnd: rnd}
}

// Step lets one thing happen at now, Unix nanoseconds, and appends to out what
// the world is asked to do about it.
func (w *MainAuthWrapper) Step(now int64, in Input, out *Effects) {
}
