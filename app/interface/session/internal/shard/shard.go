// Package shard says which session node owns an auth key: a consistent hash
// over the nodes that etcd lists, the same that every gateway computes.
package shard

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/ring"
)

// Ring maps auth keys to session nodes.
type Ring = ring.Ring

// NewRing makes the ring of nodes, which are host:port.
func NewRing(nodes []string) *Ring { return ring.New(nodes) }

// Shard follows the cluster's nodes. The node itself is always on its ring:
// nobody sends it anything before it is published, and a node whose etcd
// entry is late (or lost for a moment) must not send its keys round in
// circles.
type Shard struct {
	self string
	view atomic.Pointer[view]
	left atomic.Bool

	mu       sync.Mutex // orders updates
	onChange func(now *Ring)
	sub      *discovery.Subscription
	closed   bool
}

// view is the ring of a moment, and those before it.
type view struct {
	ring   *Ring
	serial uint32  // counts the changes
	past   []*Ring // the last before it is the last
}

// remembered is how many past rings a node knows.
const remembered = 16

// next is the view after a change of the ring.
func (v *view) next(r *Ring) *view {
	past := append(slices.Clone(v.past), v.ring)
	return &view{ring: r, serial: v.serial + 1, past: past[max(0, len(past)-remembered):]}
}

// New makes a shard of one node, self: its published host:port.
func New(self string) *Shard {
	s := &Shard{self: self}
	s.view.Store(&view{ring: NewRing([]string{self})})
	return s
}

// Self is this node's published address.
func (s *Shard) Self() string { return s.self }

// Owner returns the node that owns a perm auth key id, and whether it is this
// one.
func (s *Shard) Owner(permAuthKeyID int64) (node string, mine bool) {
	node = s.Ring().Owner(permAuthKeyID)
	return node, node == s.self
}

// Back reports whether this node owns a key again that another node owned for
// a time since the ring had the number last, and returns its number now. A key
// that still is another's is looked at again: then the number stays. Number 0
// was before all others.
func (s *Shard) Back(permAuthKeyID int64, last uint32) (seen uint32, back bool) {
	v := s.view.Load()
	switch {
	case last == v.serial:
		return last, false
	case v.ring.Owner(permAuthKeyID) != s.self:
		return last, false
	}
	first := v.serial - uint32(len(v.past)) //nolint:gosec // few
	if last < first {
		return v.serial, true // nobody knows any more
	}
	return v.serial, slices.ContainsFunc(v.past[last-first:], func(r *Ring) bool { return r.Owner(permAuthKeyID) != s.self })
}

// Serial is the number of the ring of this moment.
func (s *Shard) Serial() uint32 { return s.view.Load().serial }

// Leave takes the node off its own ring, if there is another: what still
// comes is for the others. The ring does not change any more.
func (s *Shard) Leave() {
	s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := slices.DeleteFunc(slices.Clone(s.Ring().Nodes()), func(n string) bool { return n == s.self })
	if len(nodes) > 0 {
		s.left.Store(true) // first: whoever sees that ring sees why
		s.view.Store(s.view.Load().next(NewRing(nodes)))
	}
}

// Left reports whether the node has left the ring.
func (s *Shard) Left() bool { return s.left.Load() }

// Ring is the ring of this moment.
func (s *Shard) Ring() *Ring { return s.view.Load().ring }

// OnChange sets what is called after each change of the ring. Calls never
// overlap and do not hold up those who read the ring. It must be set before
// Follow.
func (s *Shard) OnChange(f func(now *Ring)) { s.onChange = f }

// Follow subscribes to the nodes in etcd and returns when the first list is
// there; an etcd that does not answer within patience is an error.
func (s *Shard) Follow(ctx context.Context, c discov.EtcdConf, patience time.Duration) error {
	sub, err := discovery.Subscribe(ctx, c, patience, s.Update)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.sub = sub
	closed := s.closed
	s.mu.Unlock()
	if closed {
		sub.Close()
	}
	return nil
}

// Update makes the ring of nodes. An empty list changes nothing: an etcd that
// lost its data, or has not yet got it back, must not stop a cluster that
// works.
func (s *Shard) Update(nodes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(nodes) == 0 || s.closed {
		return
	}
	old := s.view.Load()
	now := NewRing(append(slices.Clone(nodes), s.self))
	if slices.Equal(old.ring.Nodes(), now.Nodes()) {
		return
	}
	s.view.Store(old.next(now))
	logx.Infof("ring: %s", strings.Join(now.Nodes(), " "))
	if s.onChange != nil {
		s.onChange(now)
	}
}

// Close ends the subscription; the ring stays as it is.
func (s *Shard) Close() {
	s.mu.Lock()
	s.closed = true
	sub := s.sub
	s.mu.Unlock()
	if sub != nil {
		sub.Close() // waits for an update under way, which takes the mutex
	}
}
