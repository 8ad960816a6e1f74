package runloop

import (
	"cmp"
	"context"
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// Whoever watches a node must neither stop it nor change it. So a key is looked at by its
// own runLoop, between two steps, and a look makes no actor and is no input. What is shown
// of all keys are numbers that each actor has put down beside its machine.

// Seen is a key as it is kept here.
type Seen struct {
	Unbound      bool   // a temp key of its own
	Online       int64  // the user that status knows as online here; 0: none
	Where        string // here, arriving, leaving, moved, bound
	To           string // the node that it has moved to; empty: none
	Heir         int64  // the perm key that got the sessions of a temp key; 0: none
	Guest        bool   // it began while the ring gave the key to another node
	Doubted      bool   // another node may have had it meanwhile
	MailboxItems int
	MailboxBytes int
	CallsFlying  int // API calls at a BFF
	Machine      *sess.Description
}

// look is one who wants to see a machine.
type look struct {
	see  func(Machine)
	next *look
}

// Look describes a key. known says that there is something of it here. It returns ctx's
// error when the key was busy until ctx ended: what is known without its machine is there
// all the same.
func (m *Manager) Look(ctx context.Context, authKeyID int64) (seen Seen, known bool, err error) {
	a := m.find(authKeyID)
	if a == nil {
		return Seen{}, false, nil
	}
	described := make(chan *sess.Description, 1)
	seen, start, later := a.receive(func(machine Machine) {
		described <- a.describe(machine)
	})
	if start {
		m.o.Spawn.Start(a.runLoop)
	}
	if !later {
		return seen, true, nil
	}
	select {
	case seen.Machine = <-described:
		return seen, true, nil
	case <-ctx.Done():
		return seen, true, ctx.Err()
	}
}

// describe describes a machine; nil: it cannot be described.
func (a *actor) describe(machine Machine) (d *sess.Description) {
	defer func() {
		if r := recover(); r != nil {
			a.panicked("description", r)
		}
	}()
	if real, ok := machine.(interface {
		Describe(now, wall int64) *sess.Description
	}); ok {
		d = real.Describe(a.m.o.Now(), a.m.o.Wall())
	}
	return d
}

// receive has the runLoop call see between two steps. start says that the caller must run
// it, later that see will be called at all.
func (a *actor) receive(see func(Machine)) (seen Seen, start, later bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen = Seen{
		Unbound: a.unbound, Online: a.online.Load(), Where: "here", Guest: a.guest, Doubted: a.doubted, Heir: a.heir,
		MailboxItems: a.waiting.items + a.taken.items, MailboxBytes: a.waiting.bytes + a.taken.bytes, CallsFlying: int(a.flying.Load()),
	}
	switch {
	case a.heir != 0:
		seen.Where = "bound"
		return seen, false, false
	case a.isAway():
		seen.Where, seen.To = "moved", a.parted.givenTo.node
		return seen, false, false
	case a.gone:
		return seen, false, false
	case a.arriving:
		seen.Where = "arriving"
		return seen, false, false // its machine, if it has one, stands still
	case a.leaving:
		seen.Where = "leaving"
	}
	a.looks = &look{see, a.looks}
	if start = !a.running; start {
		a.running = true
		a.m.busy.Add()
	}
	return seen, start, true
}

// show lets those see the machine who wait to. a.mu is held, by the runLoop.
func (a *actor) show() {
	for l := a.looks; l != nil; l = l.next {
		l.see(a.machine)
	}
	a.looks = nil
}

// Rank is by what keys are compared.
type Rank int

// The ranks.
const (
	ByOutbox  Rank = iota // bytes in the outboxes of its sessions
	ByCalls               // API calls at a BFF
	ByMailbox             // bytes that wait for its runLoop
)

// Ranked is a key and the numbers that its rank is made of.
type Ranked struct {
	AuthKeyID, UserID                    int64
	Outbox, Calls, Mailbox, MailboxItems int
}

func (r *Ranked) by(rank Rank) int {
	switch rank {
	case ByCalls:
		return r.Calls
	case ByMailbox:
		return r.Mailbox
	}
	return r.Outbox
}

// Top returns the n keys that come first, but those with nothing at all, and how many keys
// it has looked at. It holds no lock for longer than it takes to list one of the Shards
// parts of the keys, or to read one key's mailbox, and waits for no runLoop.
func (m *Manager) Top(rank Rank, n int) (top []Ranked, keys int) {
	var actors []*actor
	least := 0
	for i := range m.shards {
		actors = m.shards[i].append(actors[:0])
		keys += len(actors)
		for _, a := range actors {
			r := a.ranked()
			if v := r.by(rank); v == 0 || len(top) >= n && v <= least {
				continue
			}
			top = append(top, r)
			if len(top) >= 2*n { // half of the work of keeping it sorted
				top = best(top, rank, n)
				least = top[len(top)-1].by(rank)
			}
		}
	}
	return best(top, rank, n), keys
}

// best sorts and keeps the first n.
func best(top []Ranked, rank Rank, n int) []Ranked {
	slices.SortFunc(top, func(x, y Ranked) int {
		return cmp.Or(cmp.Compare(y.by(rank), x.by(rank)), cmp.Compare(x.AuthKeyID, y.AuthKeyID))
	})
	return top[:min(n, len(top))]
}

func (a *actor) ranked() Ranked {
	r := Ranked{AuthKeyID: a.key, UserID: a.online.Load(), Outbox: int(a.held.Load()), Calls: int(a.flying.Load())}
	a.mu.Lock()
	r.MailboxItems, r.Mailbox = a.waiting.items+a.taken.items, a.waiting.bytes+a.taken.bytes
	a.mu.Unlock()
	return r
}

// Queues is what waits on the node, for who watches.
type Queues struct {
	Keys                       int // actors, without those whose keys have moved
	CallsRunning, CallsWaiting int // API calls
	CallBytes                  int // of both, as far as calls are not small
	PeersRunning, PeersWaiting int // calls to authsession
	HTTPRequests               int
}

// Queues returns it.
func (m *Manager) Queues() (q Queues) {
	q = Queues{Keys: m.Count(), CallBytes: m.CallBytes(), HTTPRequests: m.Slots.Count()}
	q.CallsRunning, q.CallsWaiting = m.Load()
	q.PeersRunning, q.PeersWaiting = m.peers.Load()
	return q
}
