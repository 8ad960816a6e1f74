// Package shard says which session node owns an auth key: a consistent hash
// over the nodes that etcd lists, the same that every gateway computes.
package shard

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/ring"
)

// Ring maps auth keys to session nodes.
type Ring = ring.Ring

// NewRing makes the ring of nodes, which are host:port.
func NewRing(nodes []string) *Ring { return ring.New(nodes) }

// Subscribe follows an etcd key, or gives up after patience.
func Subscribe(c discov.EtcdConf, patience time.Duration) (*discov.Subscriber, error) {
	return ring.Subscribe(c, patience)
}

// Shard follows the cluster's nodes. The node itself is always on its ring:
// nobody sends it anything before it is published, and a node whose etcd
// entry is late (or lost for a moment) must not send its keys round in
// circles.
type Shard struct {
	self string
	ring atomic.Pointer[Ring]
	left atomic.Bool

	mu       sync.Mutex // orders updates
	onChange func(old, now *Ring)
	sub      *discov.Subscriber
	closed   bool
}

// New makes a shard of one node, self: its published host:port.
func New(self string) *Shard {
	s := &Shard{self: self}
	s.ring.Store(NewRing([]string{self}))
	return s
}

// Self is this node's published address.
func (s *Shard) Self() string { return s.self }

// Owner returns the node that owns a perm auth key id, and whether it is this
// one.
func (s *Shard) Owner(permAuthKeyID int64) (node string, mine bool) {
	node = s.ring.Load().Owner(permAuthKeyID)
	return node, node == s.self
}

// Leave takes the node off its own ring, if there is another: what still
// comes is for the others. The ring does not change any more.
func (s *Shard) Leave() {
	s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := slices.DeleteFunc(slices.Clone(s.ring.Load().Nodes()), func(n string) bool { return n == s.self })
	if len(nodes) > 0 {
		s.left.Store(true) // first: whoever sees that ring sees why
		s.ring.Store(NewRing(nodes))
	}
}

// Left reports whether the node has left the ring.
func (s *Shard) Left() bool { return s.left.Load() }

// Ring is the ring of this moment.
func (s *Shard) Ring() *Ring { return s.ring.Load() }

// OnChange sets what is called after each change of the ring. Calls never
// overlap and do not hold up those who read the ring. It must be set before
// Follow.
func (s *Shard) OnChange(f func(old, now *Ring)) { s.onChange = f }

// Follow subscribes to the nodes in etcd and returns when the first list is
// there; an etcd that does not answer within patience is an error.
func (s *Shard) Follow(c discov.EtcdConf, patience time.Duration) error {
	sub, err := Subscribe(c, patience)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.sub = sub
	s.mu.Unlock()
	sub.AddListener(func() { s.Update(sub.Values()) })
	s.Update(sub.Values())
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
	old := s.ring.Load()
	now := NewRing(append(slices.Clone(nodes), s.self))
	if slices.Equal(old.Nodes(), now.Nodes()) {
		return
	}
	s.ring.Store(now)
	logx.Infof("ring: %s", strings.Join(now.Nodes(), " "))
	if s.onChange != nil {
		s.onChange(old, now)
	}
}

// Close ends the subscription; the ring stays as it is.
func (s *Shard) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.sub != nil {
		s.sub.Close()
		s.sub = nil
	}
}
