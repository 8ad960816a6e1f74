package plan

import (
	"math/rand/v2"
	"time"
)

// The times of a fault that is drawn at random. The longest outlasts the leases
// of etcd (10 s): a session node that stood still so long has lost its keys to
// others by the time it goes on.
const (
	shortest = time.Second
	longest  = 15 * time.Second
)

// inTurn is how long a fault of the turn lasts.
const inTurn = 5 * time.Second

// killed is how long a node is away that was killed, in the turn: what starts
// nodes again (systemd, say) waits a little.
const killed = 2 * time.Second

// Plan is an endless row of faults. It is not safe for concurrent use.
type Plan struct {
	types  []Type
	next   int // of the turn
	random *rand.Rand
}

// New makes a plan of faults of the given types: each once, in their order, and
// then at random. There has to be one at least.
func New(seed uint64, types []Type) *Plan {
	return &Plan{types: types, random: rand.New(rand.NewPCG(seed, 0))}
}

// Left is how many faults of the turn are still to come.
func (p *Plan) Left() int { return len(p.types) - p.next }

// Next returns the next fault. A join and a leave depend on how many nodes there
// are: extra says that there is one that has joined. A fault that cannot be is
// replaced by its opposite.
func (p *Plan) Next(extra bool) Fault {
	f := Fault{Node: p.random.IntN(1 << 16)}
	if p.next < len(p.types) {
		f.Type, f.Turn = p.types[p.next], true
		p.next++
		f.For = inTurn
		if f.Kind == Kill {
			f.For = killed
		}
	} else {
		f.Type = p.types[p.random.IntN(len(p.types))]
		f.For = shortest + time.Duration(p.random.Int64N(int64(longest-shortest)))
	}
	switch {
	case f.Kind == Join && extra:
		f.Kind = Leave
	case f.Kind == Leave && !extra:
		f.Kind = Join
	}
	return f
}
