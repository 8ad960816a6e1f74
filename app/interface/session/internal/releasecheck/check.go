// Package releasecheck looks at what BFFs answer, and sync pushes, for signs that they
// were built from other .proto files than the table set in use: field numbers move
// between releases, and a wrong set garbles messages in silence.
package releasecheck

import (
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	// looks is how many messages are looked at in a round: enough to meet a message or a
	// user, few enough to cost nothing.
	looks = 1000
	// pause is the time between two rounds. A BFF that is upgraded while the node runs is
	// noticed that much later.
	pause = 5 * time.Minute
)

// Check looks at what comes from BFFs and sync, in rounds, and says once when a message
// cannot come from the release at hand. That none does proves nothing: most messages have
// the same numbers in neighbouring releases. It is safe for concurrent use, and nil is a
// check that looks at nothing.
type Check struct {
	release, hash string
	source        string                   // of the table set
	probe         atomic.Pointer[tl.Probe] // nil between rounds: it holds some MiB
	left          atomic.Int64             // of the round
}

// New makes a check for a shipped release or the path of a table set, which
// was loaded as s. Its first round has begun.
func New(s *tl.Schema, source string) (*Check, error) {
	c := &Check{release: s.Name(), hash: s.Hash(), source: source}
	return c, c.begin()
}

// begin begins a round.
func (c *Check) begin() error {
	set, err := open(c.source)
	if err != nil {
		return err
	}
	if set.Hash() != c.hash { // the file is another one by now
		return nil
	}
	c.left.Store(looks)
	c.probe.Store(tl.NewProbe(set))
	return nil
}

// Look looks at an encoded message.
func (c *Check) Look(message string, pb []byte) {
	if c == nil {
		return
	}
	probe := c.probe.Load()
	if probe == nil {
		return
	}
	if c.left.Add(-1) < 0 {
		if c.probe.CompareAndSwap(probe, nil) {
			time.AfterFunc(pause, func() {
				if err := c.begin(); err != nil {
					logx.Errorf("what BFFs answer is not held against schema %s any more: %v", c.release, err)
				}
			})
		}
		return
	}
	misfits, err := probe.Check(message, pb)
	if err != nil {
		return // not of the set: whoever encodes it for the client reports it
	}
	for _, m := range misfits {
		if m.Reason.Proof() && c.probe.CompareAndSwap(probe, nil) {
			metrics.WrongRelease.Set(1)
			logx.Errorf("a BFF, or sync, was built from other .proto files than schema %s (%s): its %s. Set Schema in session.yaml to its release, or make a table set for it", c.release, c.hash, m)
			return
		}
	}
}
