package cluster

import (
	"slices"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
)

const (
	parkedBytes = 16 << 20 // that wait; one push always fits
	parkedExtra = 4 << 10  // bytes that a push counts beside its own, which bounds their number
	parkedTries = 3        // of sending a push on
)

// Later runs f in d, unless cancel is called before. It does not wait for f.
type Later func(d time.Duration, f func()) (cancel func())

// Push is what came for a key.
type Push struct {
	Key  int64
	Size int // bytes

	// Deliver gives the push to its key here. False: the key is not here.
	Deliver func() bool
	// Expect asks the nodes for the key that may have it; it is then where Deliver gives
	// the push to. False: none may.
	Expect func() bool
	// Lost hears that the push is let go. Its key may have come in this moment: then Lost
	// tells it.
	Lost func()
	// SendOn gives it to another node, and calls done once, then or later.
	SendOn func(owner string, done func(error))
}

// Parking keeps pushes whose key is on no node that they came to.
//
// A push comes to the node that status last named. While keys move, nodes hear
// of it one after the other, so a push may come to one that gave the key up,
// be sent on to one that does not have it any more, or not yet, and be lost
// there while the client listens on a third. Instead it is kept until nodes
// agree again, and then delivered or sent on. Where this node is to have the key
// and does not, those are asked for it that may: one that stood still when it was
// asked before has the key still, and it comes as if nothing had happened. If no
// node may have it, the push is let go: its client asks for what it missed when it
// comes back. It is safe for concurrent use.
type Parking struct {
	owner func(key int64) (node string, mine bool)
	keep  time.Duration
	later Later
	room  *lane.Room

	mu     sync.Mutex
	kept   []*kept // in the order they came
	closed bool
}

type kept struct {
	Push
	tries  int
	cancel func()
}

// NewParking makes a Parking of pushes that wait for as long as nodes may disagree
// about who owns a key. owner says what this node thinks.
func NewParking(owner func(key int64) (node string, mine bool), keep time.Duration, later Later) *Parking {
	return &Parking{owner: owner, keep: keep, later: later, room: lane.NewRoom(parkedBytes)}
}

// Keep takes a push that could not be delivered. One for a key of another node
// is sent on at once.
func (k *Parking) Keep(p Push) {
	if !k.room.Take(p.Size + parkedExtra) {
		metrics.Strays.Inc("full")
		p.Lost() // it is not delivered: where the key is away still, it would come back here at once, without end
		return
	}
	metrics.Strays.Inc("kept")
	k.wait(&kept{Push: p}, "")
}

// wait keeps a push, or sends it on where its key is another node's than the one that it
// was tried at. The ring is asked under the lock: it may have changed since the push was
// sent on, Reroute has then found nothing to send, and the push would wait for nobody.
func (k *Parking) wait(p *kept, tried string) {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		k.end(p, "lost")
		return
	}
	if owner, mine := k.owner(p.Key); !mine && owner != tried {
		k.mu.Unlock()
		k.sendOn(p, owner)
		return
	}
	k.kept = append(k.kept, p)
	p.cancel = k.later(k.keep, func() { k.expire(p) })
	k.mu.Unlock()
}

// Reroute sends on what belongs to another node since the ring changed.
func (k *Parking) Reroute() {
	type move struct {
		p     *kept
		owner string
	}
	var moves []move
	k.mu.Lock()
	k.kept = slices.DeleteFunc(k.kept, func(p *kept) bool {
		owner, mine := k.owner(p.Key)
		if !mine {
			p.cancel()
			moves = append(moves, move{p, owner})
		}
		return !mine
	})
	k.mu.Unlock()
	for _, m := range moves {
		k.sendOn(m.p, m.owner)
	}
}

// expire decides about a push whose time is over.
func (k *Parking) expire(p *kept) {
	k.mu.Lock()
	i := slices.Index(k.kept, p)
	if i >= 0 {
		k.kept = slices.Delete(k.kept, i, i+1)
	}
	k.mu.Unlock()
	if i < 0 {
		return // it was sent on meanwhile
	}
	if p.Deliver() {
		k.end(p, "delivered")
		return
	}
	switch owner, mine := k.owner(p.Key); {
	case !mine:
		k.sendOn(p, owner)
	case !p.Expect():
		k.drop(p)
	case p.Deliver():
		k.end(p, "delivered")
	default: // nobody had it
		k.wait(p, "")
	}
}

// sendOn gives a push to its owner. One that may not have arrived waits again:
// updates are harmless twice.
func (k *Parking) sendOn(p *kept, owner string) {
	p.tries++
	p.SendOn(owner, func(err error) {
		switch {
		case err == nil:
			k.end(p, "sent on")
		case p.tries < parkedTries:
			k.wait(p, owner)
		default:
			k.drop(p)
		}
	})
}

// drop lets go of a push whose key is not here.
func (k *Parking) drop(p *kept) {
	if p.Deliver() {
		k.end(p, "delivered")
		return
	}
	p.Lost()
	k.end(p, "lost")
}

func (k *Parking) end(p *kept, outcome string) {
	metrics.Strays.Inc(outcome)
	k.room.Leave(p.Size + parkedExtra)
}

// Waiting is how many bytes are kept.
func (k *Parking) Waiting() int { return k.room.Held() }

// Close lets go of what is kept, and of what comes.
func (k *Parking) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for _, p := range k.kept {
		p.cancel()
		k.end(p, "lost")
	}
	k.kept = nil
}
