package sim

import (
	"io"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

// Options of a run.
type Options struct {
	Trace    io.Writer // gets every step; nil: nobody
	Sabotage Sabotage  // nil: the machines are as they are
	Links    Links     // of nodes to gateways
	Siege    bool      // there is a siege, whatever the seed says
	Silent   bool      // authsession does not say when keys end
	Hasty    bool      // nodes hear late of others, and begin keys anew that those refuse
	// Limits changes the limits that machines are given; what they must keep to it does
	// not. nil: they are given those.
	Limits func(*sess.Config)
}

// Result is what a run came to.
type Result struct {
	Hash    uint64 // of everything that happened
	Steps   int
	Time    time.Duration // virtual
	Failure *FailureError // nil: every invariant held

	Happened map[string]int // what a trace says, and what machines count
}

// Run lives through one seed: a storm, then fair weather in which everything
// comes to its end, or else a siege; then silence.
func Run(seed uint64, schema *tl.Schema, o Options) Result {
	c := newCluster(seed, schema, o)
	c.each = c.answerPolls
	if c.besieged {
		c.siege()
	} else {
		c.storm()
		c.heal()
		c.converge()
	}
	c.silence()
	c.end()
	if f := c.watch.failure; f != nil {
		f.Seed = seed
	}
	for what, n := range c.watch.counts {
		c.trace.kinds[sess.Counter(what).String()] += n
	}
	return Result{
		Hash: c.trace.hash, Steps: c.trace.count, Time: time.Duration(c.now - epoch), Failure: c.watch.failure, Happened: c.trace.kinds,
	}
}

func (c *cluster) failed() bool { return c.watch.failure != nil }

func (c *cluster) answerPolls() {
	if c.polls == 0 {
		return
	}
	for _, addr := range c.addrs {
		if n := c.nodes[addr]; n != nil && len(n.polls) > 0 {
			n.answerPolls()
		}
	}
}

// storm is the part of a run in which things go wrong.
func (c *cluster) storm() {
	until := c.now + int64(c.between(60*time.Second, 400*time.Second))
	var trouble, news func()
	trouble = func() {
		if c.now < until {
			c.trouble()
			c.after(c.between(300*time.Millisecond, 12*time.Second), trouble)
		}
	}
	news = func() {
		if c.now < until {
			c.news()
			c.after(c.between(20*time.Millisecond, 2*time.Second), news)
		}
	}
	c.after(5*time.Second, trouble)
	c.after(5*time.Second, news)
	c.runUntil(until, c.failed)
}

// trouble is something that goes wrong in the cluster.
func (c *cluster) trouble() {
	addr := pick(c.scheduler, c.addrs)
	if c.clocks.loose && c.chance(6) {
		c.setClock(addr)
		return
	}
	switch c.rnd.IntN(11) {
	case 0, 1:
		if c.nodes[addr] != nil && len(c.nodes) > 1 {
			c.crash(addr)
			c.after(c.between(time.Second, 30*time.Second), func() { c.rejoin(addr) })
		}
	case 2:
		if c.nodes[addr] != nil && len(c.nodes) > 1 {
			c.leave(addr)
			c.after(c.between(25*time.Second, 50*time.Second), func() { c.rejoin(addr) })
		}
	case 3:
		if c.chance(2) && len(c.nodes) > 1 {
			c.miss(addr)
			return
		}
		c.outage("auth")
	case 4:
		c.outage("bff")
	case 5:
		pick(c.scheduler, c.gateways).crash(c.between(100*time.Millisecond, 8*time.Second))
	case 6:
		c.setFaults(drawFaults(c.scheduler))
	case 7:
		if c.chance(3) {
			c.revoke(pick(c.scheduler, c.clients))
		}
	case 8:
		c.status.lose()
	case 9:
		c.outage(statusPeer)
	case 10:
		c.stand(addr)
	}
}

func (c *cluster) revoke(cl *client) {
	if cl.perm != 0 {
		c.sync.revoke(cl.perm)
	}
}

func (c *cluster) rejoin(addr string) {
	if c.nodes[addr] == nil {
		c.join(addr)
	}
}

func (c *cluster) outage(peer string) {
	c.note(peer, "is away")
	c.down[peer] = true
	d := c.between(200*time.Millisecond, 15*time.Second)
	if peer == statusPeer && c.chance(2) {
		d = c.between(15*time.Second, 150*time.Second) // longer than its entries live
	}
	c.after(d, func() {
		c.note(peer, "is back")
		c.down[peer] = false
	})
}

// news is something that happens to a user.
func (c *cluster) news() {
	cl := pick(c.scheduler, c.clients)
	if len(cl.sessions) > 0 && c.chance(6) {
		s := pick(c.scheduler, cl.sessions)
		if cl.loggedIn && !s.media { // those take none, and may not be bound yet
			c.sync.pushTo(cl.perm, s.key, s.id)
		}
		return
	}
	for range 1 + c.rnd.IntN(3) {
		c.sync.push(cl.user, c.chance(2))
	}
}

// heal ends the storm.
func (c *cluster) heal() {
	c.note("weather", "calms down")
	c.setFaults(noFaults)
	c.healed = true
	clear(c.down)
	c.rightClocks()
	for _, addr := range c.addrs {
		c.rejoin(addr)
		c.relist(c.nodes[addr])
	}
	for _, g := range c.gateways {
		g.away = false
	}
	for _, cl := range c.clients {
		cl.quietUntil = c.now
	}
}

const patience = 12 * time.Minute

// Invariant: when the network has healed, every call is answered, and every
// update is seen or known to be missing.
func (c *cluster) converge() {
	limit := c.now + int64(patience)
	for c.now < limit && !c.failed() {
		c.runUntil(c.now+int64(5*time.Second), c.failed)
		for _, addr := range c.addrs { // nodes that left late come back, too
			c.rejoin(addr)
		}
		if c.unsettled() == "" {
			return
		}
	}
	c.watch.check(false, "convergence", "%s", c.unsettled())
}

func (c *cluster) unsettled() string {
	for _, cl := range c.clients {
		if text := cl.waits(); text != "" {
			return cl.name + " " + text
		}
		if text := c.watch.missing(cl); text != "" {
			return cl.name + " " + text
		}
		if text := c.watch.asleep(cl); text != "" {
			return cl.name + " " + text
		}
	}
	return ""
}

// Invariant: when all clients have gone, nothing is left of them.
func (c *cluster) silence() {
	c.silent = true
	for _, cl := range c.clients {
		cl.leave()
	}
	// Messages whose ids are ahead of a clock are remembered for longer: those that a client
	// sent last, which goes by a clock that was set since, until its session has ended, too.
	wait := int64(10*time.Minute) + c.clocks.most - c.clocks.least
	if c.clocks.loose {
		wait += int64(time.Hour)
	}
	c.runUntil(c.now+wait, c.failed)
	for _, addr := range c.addrs {
		if n := c.nodes[addr]; n != nil {
			left := n.svc.Runloop.Count()
			c.watch.check(left == 0, "leaks", "%s has %d keys in memory after ten minutes of silence", addr, left)
			running, waiting := n.svc.Runloop.Load()
			c.watch.check(running+waiting == 0, "leaks", "%s has %d calls running and %d waiting", addr, running, waiting)
			c.watch.check(n.svc.Runloop.Timers() == 0, "leaks", "%s has %d timers on its wheel", addr, n.svc.Runloop.Timers())
			c.watch.check(len(n.polls) == 0, "leaks", "%s has HTTP requests open", addr)
		}
	}
	c.watch.check(!slices.ContainsFunc(c.fibers, func(b *fiber) bool { return b.waiting }), "leaks", "somebody still waits")
}
