package sim

import "time"

// weather is how the network and the peers behave. Numbers are one in n.
type weather struct {
	drop, double, overtake int // packets between clients, gateways and nodes
	slow                   int // messages that take seconds
	fault                  int // calls that fail in one way or another
	busy                   int // functions that wait for a processor
}

var calm = weather{}

// blow changes the weather.
func (c *cluster) blow(w weather) { c.weather, c.busy = w, w.busy }

// storm is the weather of most of a run.
func storm(s *scheduler) weather {
	return weather{
		drop:     pick(s, []int{0, 8, 20, 60}),
		double:   pick(s, []int{0, 10, 40}),
		overtake: pick(s, []int{0, 4, 20}),
		slow:     pick(s, []int{0, 30, 200}),
		fault:    pick(s, []int{0, 6, 20, 60, 200}),
		busy:     pick(s, []int{0, 10, 100}),
	}
}

// fate is what becomes of a call.
type fate int

const (
	arrives    fate = iota
	refused         // at once: the peer is not there
	lost            // never arrived; the caller learns nothing before its deadline
	unanswered      // done, but the answer never came
	cut             // done, but the connection broke before the answer came
)

// fateOf is what becomes of a call to a peer.
func (c *cluster) fateOf(peer string) fate {
	if !c.chance(c.weather.fault) {
		return arrives
	}
	f := fate(1 + c.rnd.IntN(4))
	c.note(peer, faults[f])
	return f
}

var faults = [...]string{"", "refuses a call", "loses a call", "never answers a call", "breaks off a call"}

// latency is how long a message takes: mostly milliseconds.
func (c *cluster) latency() time.Duration {
	if c.chance(c.weather.slow) {
		return c.between(0, 3*time.Second)
	}
	return c.between(200*time.Microsecond, 12*time.Millisecond)
}

// way is a path that keeps its messages in order, unless the weather is bad.
type way struct{ last int64 }

// carry brings a message along a way: once, twice or never.
func (c *cluster) carry(w *way, arrive func()) {
	n := 1
	switch {
	case c.chance(c.weather.drop):
		return
	case c.chance(c.weather.double):
		n = 2
	}
	for range n {
		at := c.now + int64(c.latency())
		if !c.chance(c.weather.overtake) {
			at = max(at, w.last+1)
			w.last = at
		}
		c.at(at, arrive)
	}
}
