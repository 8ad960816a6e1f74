package cluster

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
)

// A process may be stopped for a while and go on: by a signal, a debugger, a machine
// that is moved to other hardware or short of memory. When it was longer than its
// lease in etcd, other nodes have served its keys meanwhile, and its clients have
// repeated there what they had no answer to. The first thing such a process reads is
// those requests, which still wait in its sockets: it would carry them out a second
// time, before it hears of anything else.
//
// So whatever comes after a pause waits until etcd has said whether the node was on
// the ring all the time. If it was not, the node asks the others for a key when something
// comes for it (runloop.Manager.Missed).

const (
	// pauseLimit is a time without a beat that counts as a pause. A lease lasts 10 s and
	// is renewed each third of that, so that it outlives a pause of less than 6 s. A
	// machine that is only busy costs one question to etcd.
	pauseLimit = 3 * time.Second
	beatEvery  = 500 * time.Millisecond
	// confirmTime is how long etcd is asked. A node that hears nothing goes on as one that
	// was missed: others may have been told so.
	confirmTime  = 10 * time.Second
	confirmPause = 200 * time.Millisecond
)

// Lease is what keeps the node on the ring of all others: rpcserver.Server. Its methods
// may be called from any goroutine.
type Lease interface {
	// Confirm asks etcd whether the node was listed all the time since the last call, and
	// has it listed when it returns no error. If it was not, Cluster.Rejoin is called before
	// it is listed again.
	Confirm(ctx context.Context) (unbroken bool, err error)
	// Overdue reports whether the others may have been told that the node is gone, which
	// it would not know while it cannot reach etcd.
	Overdue() bool
}

// pauses notices when the process did not run.
type pauses struct {
	now func() int64 // Unix nanoseconds

	beat atomic.Int64         // when the process ran last; 0: nobody looks
	gate atomic.Pointer[gate] // nil: nothing waits

	mu   sync.Mutex
	back func() (unbroken bool) // is run after a pause; nil: nobody looks
	stop context.CancelFunc
	busy sync.WaitGroup
}

// gate is what waits for the end of a pause.
type gate struct {
	open     chan struct{} // closed when it may go on
	unbroken bool          // set then: nobody has missed the node
}

// watch begins to look for pauses. After one back is run, and what has come waits for
// its end. ctx, which back gets, ends with close.
func (p *pauses) watch(back func(context.Context) (unbroken bool)) {
	ctx, stop := context.WithCancel(context.Background())
	p.mu.Lock()
	p.stop, p.back = stop, func() bool { return back(ctx) }
	p.mu.Unlock()
	p.beat.Store(p.now())
	p.busy.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if p.paused() {
					p.shut()
				}
				p.beat.Store(p.now())
			}
		}
	})
}

// close ends the looking; what waits goes on.
func (p *pauses) close() {
	p.mu.Lock()
	p.back = nil
	p.beat.Store(0)
	stop := p.stop
	p.mu.Unlock()
	if stop != nil {
		stop()
		p.busy.Wait()
	}
}

// paused reports whether the process did not run for a while, until just now.
func (p *pauses) paused() bool {
	beat := p.beat.Load()
	return beat != 0 && p.now()-beat > int64(pauseLimit)
}

// shut has everything wait that comes from now on.
func (p *pauses) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate.Load() != nil || p.back == nil {
		return
	}
	g, back := &gate{open: make(chan struct{}), unbroken: true}, p.back
	p.gate.Store(g)
	p.busy.Go(func() {
		for paused := true; paused; {
			p.beat.Store(p.now())
			g.unbroken = back() && g.unbroken
			paused = p.paused() // once more
		}
		p.beat.Store(p.now())
		p.gate.Store(nil)
		close(g.open)
	})
}

// held is the gate at which what comes now has to wait; nil: there is none. That costs a
// look at the time.
func (p *pauses) held() *gate {
	if p.paused() {
		p.shut()
	}
	return p.gate.Load()
}

// Watch looks for pauses of the process until StopMoves. It is called once, if there is a
// Lease.
func (c *Cluster) Watch() { c.pauses.watch(c.comeBack) }

// Paused reports whether the process did not run until a moment ago, and Await waits.
func (c *Cluster) Paused() bool { return c.pauses.held() != nil }

// Await waits, after a pause of the process, until the node knows which keys are its
// own, and returns ctx's error when that ends before. Whoever brings something from
// outside calls it first.
func (c *Cluster) Await(ctx context.Context) error {
	g := c.pauses.held()
	if g == nil {
		return nil
	}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// MayGoOn waits as Await does, for what came before the pause and has not been done
// yet. It reports whether nobody else may have done it meanwhile.
func (c *Cluster) MayGoOn() bool {
	g := c.pauses.held()
	if g == nil {
		return true
	}
	<-g.open
	return g.unbroken
}

// comeBack finds out what a pause has cost. Where the lease had run out, Rejoin has been
// called by the time that etcd answers.
func (c *Cluster) comeBack(ctx context.Context) (unbroken bool) {
	metrics.Pauses.Inc()
	unbroken, err := c.confirm(ctx)
	switch {
	case ctx.Err() != nil: // the node ends
	case err != nil:
		logx.Errorf("the process was stopped for a while, and etcd does not say whether it was missed: %v", err)
		c.Rejoin()
	case unbroken:
		logx.Info("the process was stopped for a while; etcd has kept it on the ring")
	}
	return unbroken
}

// confirm asks etcd until it answers, for confirmTime at most.
func (c *Cluster) confirm(ctx context.Context) (unbroken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	for {
		if unbroken, err = c.Lease.Confirm(ctx); err == nil {
			return unbroken, nil
		}
		pause := time.NewTimer(confirmPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return false, err
		}
	}
}
