package sim

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/proto/session"
)

// faultRates say how often the network and the peers fail: one in n; 0 is never.
type faultRates struct {
	drop, double, overtake int // packets between clients, gateways and nodes
	slow                   int // messages that take seconds
	fault                  int // calls that fail in one way or another
	busy                   int // functions that wait for a processor
}

var noFaults = faultRates{}

// setFaults changes how often something fails from now on.
func (c *cluster) setFaults(r faultRates) { c.rates, c.busy = r, r.busy }

// drawFaults draws the rates of a storm, which is most of a run.
func drawFaults(s *scheduler) faultRates {
	return faultRates{
		drop:     pick(s, []int{0, 8, 20, 60}),
		double:   pick(s, []int{0, 10, 40}),
		overtake: pick(s, []int{0, 4, 20}),
		slow:     pick(s, []int{0, 30, 200}),
		fault:    pick(s, []int{0, 6, 20, 60, 200}),
		busy:     pick(s, []int{0, 10, 100}),
	}
}

// callFault says what goes wrong with a call.
type callFault int

const (
	arrives    callFault = iota
	refused              // at once: the peer is not there
	lost                 // never arrived; the caller learns nothing before its deadline
	unanswered           // done, but the answer never came
	cut                  // done, but the connection broke before the answer came
)

// drawCallFault draws what goes wrong with a call to a peer.
func (c *cluster) drawCallFault(peer string) callFault {
	if !c.chance(c.rates.fault) {
		return arrives
	}
	f := callFault(1 + c.rnd.IntN(4))
	c.note(peer, callFaultTexts[f])
	return f
}

var callFaultTexts = [...]string{"", "refuses a call", "loses a call", "never answers a call", "breaks off a call"}

// stand has a node stand still for other nodes that ask it for keys, as one does that has no
// processor or no memory. It goes on with the keys that it has.
func (c *cluster) stand(addr string) {
	if n := c.nodes[addr]; n != nil {
		c.note(addr[:8], "stands still")
		n.still = c.now + int64(c.between(time.Second, 5*time.Second))
	}
}

// handOverUnlessStill gives a key away, or no answer while the node stands still.
func (n *node) handOverUnlessStill(ctx context.Context, in *session.HandOverRequest) (any, error) {
	if n.c.now < n.still {
		n.c.sleep(n.c.config.Session.PeerTimeout / 2)
		return nil, errDeadline
	}
	return n.handOver(ctx, in)
}

// latency is how long a message takes: mostly milliseconds.
func (c *cluster) latency() time.Duration {
	if c.chance(c.rates.slow) {
		return c.between(0, 3*time.Second)
	}
	return c.between(200*time.Microsecond, 12*time.Millisecond)
}

// way is a path that keeps its messages in order, unless they overtake each other by a fault.
type way struct{ last int64 }

// holdUp has what comes next arrive after a time.
func (w *way) holdUp(until int64) { w.last = max(w.last, until) }

// carry brings a message along a way: once, twice or never.
func (c *cluster) carry(w *way, arrive func()) {
	n := 1
	switch {
	case c.chance(c.rates.drop):
		return
	case c.chance(c.rates.double):
		n = 2
	}
	for range n {
		at := c.now + int64(c.latency())
		if !c.chance(c.rates.overtake) {
			at = max(at, w.last+1)
			w.last = at
		}
		c.at(at, arrive)
	}
}
