package peers

import (
	"context"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// renewalTime is how long an announcement that renews an entry waits for others.
const renewalTime = 200 * time.Millisecond

// renewals are announcements of keys that status knows already. Before it is
// told again it is asked whether it still does: an entry that was lost and is
// silently made anew would hide from the client that it has missed updates. They
// are asked about together, a hundred in a call, so that it costs next to
// nothing.
type renewals struct {
	ask  func(context.Context, []Entry) (missing []Entry, err error)
	tell func(r *sess.SetOnline, lost bool)
	busy lane.Busy // batches that fill or are asked about

	mu      sync.Mutex
	waiting map[int64]*renewal // by key, until they are told
	batch   []*renewal
	timer   *time.Timer
}

type renewal struct {
	*sess.SetOnline
	overruled bool // something else is to be told of the key
}

// add takes a renewal in.
func (n *renewals) add(r *sess.SetOnline) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forget(r.AuthKeyID)
	x := &renewal{SetOnline: r}
	if n.waiting == nil {
		n.waiting = map[int64]*renewal{}
	}
	n.waiting[r.AuthKeyID] = x
	n.batch = append(n.batch, x)
	switch len(n.batch) {
	case 1:
		n.busy.Add()
		n.timer = time.AfterFunc(renewalTime, func() {
			if batch := n.take(x); batch != nil {
				n.flush(batch)
			}
		})
	case entryBatch:
		n.timer.Stop()
		batch := n.batch
		n.batch = nil
		go n.flush(batch)
	}
}

// take takes the batch that begins with first, unless it was taken before.
func (n *renewals) take(first *renewal) (batch []*renewal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.batch) > 0 && n.batch[0] == first {
		batch, n.batch = n.batch, nil
	}
	return batch
}

// overrule runs f, which tells status something else of a key, and drops what
// was to be told of it before.
func (n *renewals) overrule(key int64, f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forget(key)
	f()
}

// forget is overrule's with n.mu held.
func (n *renewals) forget(key int64) {
	if x := n.waiting[key]; x != nil {
		x.overruled = true
		delete(n.waiting, key)
	}
}

// flush asks about a batch, and tells it.
func (n *renewals) flush(batch []*renewal) {
	defer n.busy.Done()
	entries := make([]Entry, len(batch))
	for i, x := range batch {
		entries[i] = Entry{UserID: x.UserID, AuthKeyID: x.AuthKeyID, Was: x.Was}
	}
	lost := map[int64]bool{}
	missing, _ := n.ask(context.Background(), entries) // a status that cannot be asked may still be told
	for _, e := range missing {
		lost[e.AuthKeyID] = true
	}
	for _, x := range batch {
		n.mu.Lock()
		if !x.overruled {
			delete(n.waiting, x.AuthKeyID)
			n.tell(x.SetOnline, lost[x.AuthKeyID])
		}
		n.mu.Unlock()
	}
}
