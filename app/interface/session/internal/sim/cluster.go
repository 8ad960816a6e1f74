package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

// cluster is one run.
type cluster struct {
	*scheduler
	trace trace

	schema   *tl.Schema
	config   config.Config
	limits   sess.Config // that machines keep to
	given    sess.Config // that they are told: the same, but for sabotage
	links    Links
	rates    faultRates
	besieged bool            // there is no storm, but a siege
	hearTime time.Duration   // the longest that a change of what etcd lists is on its way to a node
	hasty    bool            // Options.Hasty
	former   bool            // nodes know no calls about keys that move, as those of an earlier release
	healed   bool            // the storm is over
	silent   bool            // so is everything else
	polls    int             // HTTP requests that nodes hold
	down     map[string]bool // peers that are away
	clocks   clocks

	storage *storage
	bff     *bff
	status  *presence
	sync    *syncer
	watch   *watch

	addrs    []string          // of session nodes
	nodes    map[string]*node  // those that run
	listed   []string          // those that etcd lists
	version  int               // of that list
	ring     *nodecluster.Ring // of it
	gateways []*gateway
	clients  []*client
	thief    *thief // nil: there is none

	made    []int64 // all keys, in the order they were stored
	hashes  map[byte]bool
	answers int
}

func newCluster(seed uint64, schema *tl.Schema, o Options) *cluster {
	c := &cluster{
		scheduler: newScheduler(seed), trace: newTrace(o.Trace), schema: schema, links: o.Links,
		down: map[string]bool{}, nodes: map[string]*node{}, hashes: map[byte]bool{},
	}
	c.besieged = c.chance(8) || o.Siege
	c.former, c.hasty = c.chance(8), o.Hasty
	if c.hearTime = 400 * time.Millisecond; c.chance(8) || o.Hasty {
		c.hearTime = 2600 * time.Millisecond // longer than a call between nodes may take, less than ReleaseAfter
	}
	c.configure()
	if o.Limits != nil {
		o.Limits(&c.given)
	}
	c.clocks = clocks{loose: c.chance(4), ahead: map[string]int64{}, back: map[string]int64{}}
	c.setFaults(drawFaults(c.scheduler))
	c.watch = newWatch(c, o.Sabotage)
	c.storage, c.bff = newStorage(c, o.Silent), newBFF(c)
	c.status, c.sync = &presence{c: c}, &syncer{c: c, made: map[string]int32{}}
	for i := range 3 {
		addr := fmt.Sprintf("10.0.0.%d:20120", i+1)
		c.addrs = append(c.addrs, addr)
		c.join(addr)
	}
	for i := range 2 {
		c.gateways = append(c.gateways, newGateway(c, fmt.Sprintf("10.0.1.%d:20110", i+1)))
	}
	for i := range 3 + c.rnd.IntN(4) {
		c.clients = append(c.clients, newClient(c, i))
	}
	if c.chance(2) {
		c.thief = newThief(c)
	}
	return c
}

// configure draws limits, mostly small ones, so that a run reaches them.
func (c *cluster) configure() {
	s := &c.config.Session
	if c.besieged || !c.chance(3) {
		s.MaxSessions, s.MaxInFlight, s.MaxQueued = 5, 1+c.rnd.IntN(4), 4+c.rnd.IntN(8)
		s.HeldPackets, s.HeldPushes = 2+c.rnd.IntN(8), 2+c.rnd.IntN(8)
		s.OutboxMessages, s.OutboxBytes, s.AnswerBytes = 8+c.rnd.IntN(24), 16<<10, 64<<10
		s.ContainerOut, s.ContainerBytes = 2+c.rnd.IntN(6), 8<<10
		s.HTTPRequests = s.ContainerOut / 2
		s.DetailedFrom = 64 << c.rnd.IntN(5)
		s.DataChannel, s.DataChannelBytes = 1+c.rnd.IntN(5), 8<<10
		s.Calls, s.PeerCalls = 4+c.rnd.IntN(16), 4+c.rnd.IntN(16)
		s.KeyCache, s.PeerQueue = 128, 4*s.PeerCalls
		s.KeyBytes, s.RepeatBytes, s.RequestBytes, s.NoLoginBytes = 128<<10, 32<<10, 64<<10, 16<<10
	}
	if c.besieged { // there is room for all, but for one who wants more
		s.DataChannel, s.DataChannelBytes = 3, 256<<10
		s.MaxQueued, s.HeldBytes, s.DetailedFrom = 2*maxCalls, 64<<10, 16<<10
		s.Calls, s.PeerCalls, s.PeerQueue, s.OutboxMessages = 64, 256, 1024, 4*maxCalls
	}
	c.config.SetDefaults()
	c.limits = c.config.Sess()
	c.limits.SetDefaults()
	c.given = c.limits
}

func (c *cluster) note(who, what string, args ...int64) { c.trace.note(c.now, who, what, args...) }

// newKey makes the id of a key. Ids in one run fall into different shards of
// the runLoop's map, whose order within a shard is nobody's choice.
func (c *cluster) newKey() int64 {
	for {
		key := c.id()
		shard := byte(uint64(key) * 0x9e3779b97f4a7c15 >> 56)
		if !c.hashes[shard] || len(c.hashes) > 240 {
			c.hashes[shard] = true
			return key
		}
	}
}

// join starts a node and lists it.
func (c *cluster) join(addr string) {
	c.note(addr[:8], "joins")
	n := newNode(c, addr)
	c.nodes[addr] = n
	n.svc.Cluster.Update(c.listed)
	c.list(append(slices.Clone(c.listed), addr))
}

// crash ends a node at once: what it knew is gone. etcd finds out later.
func (c *cluster) crash(addr string) {
	n := c.nodes[addr]
	if n == nil {
		return
	}
	c.note(addr[:8], "crashes")
	c.bury(n)
	c.after(c.between(time.Second, 8*time.Second), func() { c.unlist(addr) })
}

// bury ends a node's life.
func (c *cluster) bury(n *node) {
	n.dead = true
	delete(c.nodes, n.addr)
	c.polls -= len(n.polls)
	n.polls = nil
	c.watch.lost(n)
}

// isThere reports whether a node that another has on its ring is there to take keys.
func (c *cluster) isThere(addr string) bool { return c.nodes[addr] != nil && !c.nodes[addr].gone }

// leave ends a node as an operator does: first its listing, then its work.
func (c *cluster) leave(addr string) {
	n := c.nodes[addr]
	if n == nil || n.gone {
		return
	}
	c.note(addr[:8], "leaves")
	n.gone = true
	n.listing.ends(c.now)
	c.unlist(addr)
	n.svc.Cluster.LeaveRing()
	if n.last = !n.svc.Cluster.Left() || !slices.ContainsFunc(n.svc.Cluster.Ring().Nodes(), c.isThere); n.last {
		for m := range c.watch.machines {
			if m.n == n {
				c.watch.lastAt[m.key] = c.now
			}
		}
	}
	began := c.now
	var drained <-chan struct{}
	var wait func()
	wait = func() {
		if drained == nil { // keys go first, for half of the time
			if len(n.svc.Runloop.Foreign(n.svc.Cluster.Owns)) > 0 && c.now < began+int64(10*time.Second) && !n.dead {
				c.after(10*time.Millisecond, wait)
				return
			}
			drained = n.svc.Runloop.StartDrain(context.Background())
		}
		select {
		case <-drained:
		default:
			if c.now < began+int64(20*time.Second) && !n.dead {
				c.after(10*time.Millisecond, wait)
				return
			}
		}
		n.svc.Runloop.Slots.AnswerAll()
		n.svc.Runloop.Offline(context.Background())
		c.after(c.between(100*time.Millisecond, 3*time.Second), func() {
			if !n.dead {
				c.status.withdraw(n)
				c.note(addr[:8], "is gone")
				c.bury(n)
			}
		})
	}
	wait()
}

// listing is what a node knows of its place in etcd.
type listing struct {
	hear    time.Duration // the cluster's hearTime
	unheard bool          // it cannot reach etcd
	overdue bool          // and knows that its lease may have run out
	again   int64         // when it was listed again last
	absent  []span        // when etcd had let it go
}

// span is from a time to another, which is 0 while it lasts.
type span struct{ since, until int64 }

// isAway reports whether at some time etcd had let it go, or others may not have heard yet
// that it is listed again.
func (l *listing) isAway(at int64) bool { return l.wasAway(at, at) }

// missed is since when etcd has let it go; 0: it lists it.
func (l *listing) missed() int64 {
	if !l.unheard {
		return 0
	}
	return l.absent[len(l.absent)-1].since
}

// metWithin is how long after it is listed again, and all have heard of it, a node may go on
// with a key that has begun anew elsewhere meanwhile: it asks those that had the key, who may
// be giving it to a third, and the two lives do not meet.
const metWithin = int64(10 * time.Second)

// wasAway reports whether etcd had let it go at some time, and it may not have found out by
// another what had happened then.
func (l *listing) wasAway(at, then int64) bool {
	return slices.ContainsFunc(l.absent, func(s span) bool {
		return at >= s.since && (s.until == 0 || at < s.until+int64(l.hear) && then < s.until+int64(l.hear)+metWithin)
	})
}

// ends notes that it is let go no more: it is listed again, or leaves.
func (l *listing) ends(now int64) {
	if l.unheard {
		l.absent[len(l.absent)-1].until = now
	}
	l.unheard, l.overdue, l.again = false, false, 0
}

// isBehind reports whether at some time it may not have heard yet of what has changed since
// etcd let it go.
func (l *listing) isBehind(at int64) bool {
	return l.again != 0 && at >= l.again && at < l.again+int64(l.hear)
}

// someAway reports whether etcd has let a node go that is there.
func (c *cluster) someAway() bool {
	for _, n := range c.nodes {
		if n.listing.isAway(c.now) {
			return true
		}
	}
	return false
}

func (l *listing) Confirm(context.Context) (bool, error) { return true, nil }
func (l *listing) Overdue() bool                         { return l.overdue }

// miss has a node not reach etcd for so long that the others are told it is gone. It
// does not hear of that, and serves whoever comes.
func (c *cluster) miss(addr string) {
	n := c.nodes[addr]
	if n == nil || n.gone || n.listing.unheard {
		return
	}
	c.note(addr[:8], "is let go by etcd")
	n.listing.unheard = true
	n.listing.absent = append(n.listing.absent, span{since: c.now})
	c.after(c.between(time.Millisecond, 200*time.Millisecond), func() { n.listing.overdue = n.listing.unheard })
	c.list(slices.DeleteFunc(slices.Clone(c.listed), func(a string) bool { return a == addr }))
	c.after(c.between(time.Second, 30*time.Second), func() { c.relist(n) })
}

// relist ends what miss has begun.
func (c *cluster) relist(n *node) {
	if n.dead || n.gone || !n.listing.unheard {
		return
	}
	c.note(n.addr[:8], "is listed again")
	n.svc.Cluster.Rejoin()
	n.listing.ends(c.now)
	n.listing.again = c.now
	c.list(append(slices.Clone(c.listed), n.addr))
}

func (c *cluster) unlist(addr string) {
	if c.nodes[addr] != nil && !c.nodes[addr].gone {
		return // it is back already
	}
	c.list(slices.DeleteFunc(slices.Clone(c.listed), func(a string) bool { return a == addr }))
}

// list changes what etcd lists. Everybody hears of it in their own time.
func (c *cluster) list(addrs []string) {
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	c.listed = addrs
	c.version++
	version := c.version
	c.ring = nodecluster.NewRing(addrs)
	hear := func(f func()) {
		c.after(c.between(time.Millisecond, c.hearTime), func() {
			if version == c.version { // etcd tells the latest state
				f()
			}
		})
	}
	for _, addr := range c.addrs {
		if n := c.nodes[addr]; n != nil {
			hear(func() {
				if !n.dead && !n.listing.unheard {
					n.svc.Cluster.Update(addrs)
				}
			})
		}
	}
	for _, g := range c.gateways {
		hear(func() { g.update(addrs) })
	}
}

// ownerOf is the user whose device has a perm key.
func (c *cluster) ownerOf(perm int64) int64 {
	for _, cl := range c.clients {
		if cl.perm == perm {
			return cl.user
		}
	}
	return 0
}

func (c *cluster) gatewayOf(id string) *gateway {
	for _, g := range c.gateways {
		if g.id == id {
			return g
		}
	}
	return nil
}
