// Package releasecheck looks at what BFFs answer for signs that they were
// built from other .proto files than the table set in use: field numbers move
// between releases, and a wrong set garbles messages in silence.
package releasecheck

import (
	"sync/atomic"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// looks is how many answers are looked at: enough to meet a message or a
// user, few enough to cost nothing.
const looks = 1000

// Check looks at the first answers of BFFs and says once when one cannot come
// from the release at hand. That none does proves nothing: most messages have
// the same numbers in neighbouring releases. It is safe for concurrent use,
// and nil is a check that is over.
type Check struct {
	release, hash string
	probe         atomic.Pointer[tl.Probe] // nil once it is over: it holds some MiB
	left          atomic.Int64
}

// New makes a check for a shipped release or the path of a table set, which
// was loaded as s.
func New(s *tl.Schema, source string) (*Check, error) {
	set, err := open(source)
	if err != nil {
		return nil, err
	}
	return newCheck(s, set), nil
}

func newCheck(s *tl.Schema, set *tlset.Set) *Check {
	c := &Check{release: s.Name(), hash: s.Hash()}
	c.probe.Store(tl.NewProbe(set))
	c.left.Store(looks)
	return c
}

// Look looks at an encoded answer of type message.
func (c *Check) Look(message string, pb []byte) {
	if c == nil {
		return
	}
	probe := c.probe.Load()
	if probe == nil {
		return
	}
	if c.left.Add(-1) < 0 {
		c.probe.Store(nil)
		return
	}
	misfits, err := probe.Check(message, pb)
	if err != nil {
		return // not of the set: whoever encodes it for the client reports it
	}
	for _, m := range misfits {
		if m.Reason.Proof() && c.probe.CompareAndSwap(probe, nil) {
			metrics.WrongRelease.Set(1)
			logx.Errorf("a BFF was built from other .proto files than schema %s (%s): its %s. Set Schema in session.yaml to the release of the BFF, or make a table set for it", c.release, c.hash, m)
			return
		}
	}
}
