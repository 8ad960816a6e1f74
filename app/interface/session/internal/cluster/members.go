package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/ring"
)

// Ring maps auth keys to session nodes.
type Ring = ring.Ring

// NewRing makes the ring of nodes, which are host:port.
func NewRing(nodes []string) *Ring { return ring.New(nodes) }

// Members follows the cluster's nodes. The node itself is always on its ring:
// nobody sends it anything before it is published, and a node whose etcd
// entry is late (or lost for a moment) must not send its keys round in
// circles. It is safe for concurrent use.
type Members struct {
	self  string
	view  atomic.Pointer[view]
	left  atomic.Bool
	hosts *hosts
	now   func() int64 // package clock, Unix nanoseconds

	mu       sync.Mutex // orders updates
	onChange func(now *Ring)
	sub      *discovery.Subscription
	closed   bool
	behind   bool // the others may have changed while the ring was without this node
}

// view is the ring of a moment, and those before it.
type view struct {
	ring   *Ring
	epoch  uint32  // counts the changes of the ring
	past   []*Ring // rings before it, oldest first
	ended  []int64 // when each of past ended, Unix nanoseconds
	before *Ring   // the others, as they were when this node joined them; nil: it is alone
}

// remembered is how many past rings a node knows.
const remembered = 16

// joiners bounds how many of those who owned a key before this node joined are asked for it:
// where others have joined in the same moment, each of them may have nothing yet.
const joiners = 3

// next is the view after a change of the ring.
func (v *view) next(r *Ring, now int64) *view {
	past, ended := append(slices.Clone(v.past), v.ring), append(slices.Clone(v.ended), now)
	first := max(0, len(past)-remembered)
	return &view{ring: r, epoch: v.epoch + 1, past: past[first:], ended: ended[first:], before: v.before}
}

// former are the owners of a key until a moment ago, that is since some time, the
// latest first, without this node: also who owns it now, unless this node has left.
func (m *Members) former(permAuthKeyID, since int64) (nodes []string) {
	v := m.view.Load()
	add := func(node string) {
		if node != "" && node != m.self && !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	// A request may be here because its sender has heard of a change that this node has not:
	// then the key is still where this node's own ring has it.
	if !m.Left() {
		add(v.ring.Owner(permAuthKeyID))
	}
	for i := len(v.past) - 1; i >= 0 && v.ended[i] >= since; i-- {
		if i == 0 && v.before != nil && len(v.past[0].Nodes()) == 1 { // of a node that was alone: not what the others saw
			for _, node := range v.before.Owners(permAuthKeyID, joiners) {
				add(node)
			}
			continue
		}
		add(v.past[i].Owner(permAuthKeyID))
	}
	return nodes
}

// NewMembers makes the ring of one node, self: its published host:port.
func NewMembers(self string) *Members {
	ring := NewRing([]string{self})
	m := &Members{self: self, hosts: newHosts(ring), now: clock.Now}
	m.view.Store(&view{ring: ring})
	return m
}

// Self is this node's published address.
func (m *Members) Self() string { return m.self }

// Owner returns the node that owns a perm auth key id, and whether it is this
// one.
func (m *Members) Owner(permAuthKeyID int64) (node string, mine bool) {
	node = m.Ring().Owner(permAuthKeyID)
	return node, node == m.self
}

// ReacquiredSince reports whether another node owned a key for a time since an epoch
// and this one owns it now, and returns the epoch to ask with next. A key that is
// still another's is looked at again: for it the epoch stays. Epoch 0 was before all
// others.
func (m *Members) ReacquiredSince(permAuthKeyID int64, epoch uint32) (seen uint32, reacquired bool) {
	v := m.view.Load()
	switch {
	case epoch == v.epoch:
		return epoch, false
	case v.ring.Owner(permAuthKeyID) != m.self:
		return epoch, false
	}
	first := v.epoch - uint32(len(v.past))
	if epoch < first {
		return v.epoch, true // nobody knows any more
	}
	return v.epoch, slices.ContainsFunc(v.past[epoch-first:], func(r *Ring) bool { return r.Owner(permAuthKeyID) != m.self })
}

// Epoch counts the changes of the ring until now.
func (m *Members) Epoch() uint32 { return m.view.Load().epoch }

// Leave takes the node off its own ring, if there is another: what still
// comes is for the others. The ring does not change any more.
func (m *Members) Leave() {
	m.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if nodes := without(m.Ring().Nodes(), m.self); len(nodes) > 0 {
		m.left.Store(true) // before the ring: who reads the ring without this node must also see that it has left
		m.view.Store(m.view.Load().next(NewRing(nodes), m.now()))
	}
}

// rejoin notes that the ring was without this node for a time. Which nodes were on it in
// the end the next Update tells: this one may have heard of no change meanwhile.
func (m *Members) rejoin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.behind = true
	logx.Errorf("ring: the others have not seen this node for a time")
	old := m.view.Load()
	others := without(old.ring.Nodes(), m.self)
	if len(others) == 0 {
		return
	}
	now := m.now()
	m.view.Store(old.next(NewRing(others), now).next(old.ring, now))
	if m.onChange != nil {
		m.onChange(old.ring)
	}
}

// hasHad reports whether a node is on the ring, or was until less than farewell ago. Where so
// many rings have passed that some are forgotten, every node may have been.
func (m *Members) hasHad(node string) bool {
	v, since := m.view.Load(), m.now()-int64(farewell)
	if v.ring.Has(node) || len(v.past) == remembered && v.ended[0] > since {
		return true
	}
	for i := len(v.past) - 1; i >= 0 && v.ended[i] > since; i-- {
		if v.past[i].Has(node) {
			return true
		}
	}
	return false
}

// before are the nodes of the ring before the latest change.
func (m *Members) before() []string {
	past := m.view.Load().past
	if len(past) == 0 {
		return nil
	}
	return slices.Clone(past[len(past)-1].Nodes())
}

// without is a list of nodes but for one.
func without(nodes []string, node string) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == node })
}

// Left reports whether the node has left the ring.
func (m *Members) Left() bool { return m.left.Load() }

// Ring is the ring of this moment.
func (m *Members) Ring() *Ring { return m.view.Load().ring }

// OnChange sets what is called after each change of the ring. Calls never
// overlap and do not hold up those who read the ring. It must be set before
// Follow.
func (m *Members) OnChange(f func(now *Ring)) { m.onChange = f }

// Follow subscribes to the nodes in etcd and returns when the first list is
// there; an etcd that does not answer within patience is an error.
func (m *Members) Follow(ctx context.Context, c discov.EtcdConf, patience time.Duration) error {
	sub, err := discovery.Subscribe(ctx, c, patience, m.Update)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.sub = sub
	closed := m.closed
	m.mu.Unlock()
	if closed {
		sub.Close()
	}
	return nil
}

// Update makes the ring of nodes. An empty list changes nothing: an etcd that
// lost its data, or has not yet got it back, must not stop a cluster that
// works.
func (m *Members) Update(nodes []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(nodes) == 0 || m.closed {
		return
	}
	old := m.view.Load()
	now := NewRing(append(slices.Clone(nodes), m.self))
	if slices.Equal(old.ring.Nodes(), now.Nodes()) {
		return
	}
	m.hosts.update(now)
	next := old
	if others := without(now.Nodes(), m.self); m.behind && len(others) > 0 { // who had its keys in the end
		next = next.next(NewRing(others), m.now())
	}
	m.behind = false
	next = next.next(now, m.now())
	if old.before == nil { // it joins
		if others := without(now.Nodes(), m.self); len(others) > 0 {
			next.before = NewRing(others)
		}
	}
	m.view.Store(next)
	logx.Infof("ring: %s", strings.Join(now.Nodes(), " "))
	if m.onChange != nil {
		m.onChange(now)
	}
}

// Close ends the subscription; the ring stays as it is.
func (m *Members) Close() {
	m.mu.Lock()
	m.closed = true
	sub := m.sub
	m.mu.Unlock()
	if sub != nil {
		sub.Close() // waits for an update under way, which takes the mutex
	}
}
