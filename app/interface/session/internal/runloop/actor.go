package runloop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// actor is one auth key in memory.
type actor struct {
	m       *Manager
	key     int64
	timer   timer
	unbound bool         // the key is a temp key of its own
	online  atomic.Int64 // the user that status knows as online here; 0: none
	apart   atomic.Bool  // another node has the key (departure)
	flying  atomic.Int32 // API calls under way
	binding atomic.Int32 // calls that bind this temp key, under way or successful
	held    atomic.Int64 // bytes in the outboxes of its sessions, after its last step
	dead    atomic.Bool  // the temp key is bound to nothing any more, or found no place with its perm key

	mu              sync.Mutex
	sessionDataChan []sess.Input // what waits for the runLoop; nil while idle
	waiting         load         // data in the mailbox
	taken           load         // data the runLoop is at
	running         bool         // a runLoop exists
	pushesLost      bool         // sessionDataChan holds a PushesLost already
	gone            bool         // out of the map: post elsewhere
	parted          *departure   // set when another node asks for the key; nil: none has
	arriving        bool         // another node is asked for it: what comes waits
	doubted         bool         // another node may have had the key while it stood still here
	guest           bool         // made while the ring gave the key to another node. Until it gives it to this one, the life here is the later one (doubt.go)
	leaving         bool         // another node owns the key: answer what is in flight, then go
	epoch           uint32       // of the ring at the last call of back
	early           bool         // made while nodes may have disagreed about who owns the key
	heir            int64        // the perm key that got this temp key's sessions; 0: none
	looks           *look        // who wants to see the machine; nil: nobody
	origin          *origin      // where the key came from; nil: it began here

	// Below, the runLoop's alone; rouse looks at done while there is none.
	machine Machine
	done    bool
	drained bool
	behind  bool // there are updates that the client may not have
	parting bool // the machine has got HandOff: inputs from outside wait for the node that gets the key
}

// load is what counts towards the bounds of a mailbox.
type load struct{ items, bytes int }

// verdict is what became of a post.
type verdict int

const (
	posted verdict = iota
	full           // ErrDataChannelFull
	gone           // the actor has left the map: look the key up again
	moved          // give the input to the actor of a.heir
	away           // another node has the key: send the input there
)

// post puts in into the mailbox.
func (a *actor) post(in sess.Input) verdict { return a.put(in, false) }

// put is post. owed says that the node has accepted the input already, so that it is
// taken however full the mailbox is.
func (a *actor) put(in sess.Input, owed bool) verdict {
	v, idle, ask := a.queue(in, owed)
	if idle {
		a.m.o.Spawn.Start(a.runLoop)
	}
	if ask != nil {
		a.m.o.Cluster.Fetch(a.key, ask, true, a.resolve)
	}
	return v
}

// postInline is post for loops over many actors, with an input that the node itself makes. It
// runs an idle actor's runLoop in the caller's goroutine: a goroutine for each of a hundred
// thousand actors would cost more than what they do.
func (a *actor) postInline(in sess.Input) verdict {
	v, idle, _ := a.queue(in, true) // only an input from outside makes the actor ask other nodes for the key
	if idle {
		a.runLoop()
	}
	return v
}

// queue is put without the runLoop: idle says that the caller must run it, ask which
// nodes it must ask for the key.
func (a *actor) queue(in sess.Input, owed bool) (v verdict, idle bool, ask []string) {
	bytes, data := weight(in)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.heir != 0 {
		return moved, false, nil
	}
	if a.gone {
		return gone, false, nil
	}
	var kept load
	if a.parted != nil {
		if a.isAway() {
			return away, false, nil
		}
		kept = a.parted.kept
	}
	if data {
		// One item always fits, so that a packet larger than the bound is
		// late, not impossible.
		items := a.waiting.items + a.taken.items + kept.items
		excess := items >= a.m.o.MailboxItems || items > 0 && a.waiting.bytes+a.taken.bytes+kept.bytes+bytes > a.m.o.MailboxBytes
		if excess && !owed {
			metrics.MailboxFull.Inc()
			a.tellLost(in)
			return full, false, nil
		}
		a.waiting.items++
		a.waiting.bytes += bytes
	}
	a.comesBack()
	if data && a.doubted {
		ask = a.doubt(a.m.o.Cluster.Former(a.key))
	}
	return posted, a.add(in), ask
}

// add puts an input at the end of the mailbox, and reports whether the caller must run the
// runLoop. a.mu is held.
func (a *actor) add(in sess.Input) (idle bool) {
	a.note(in)
	return a.rouse()
}

// note is add for callers that run the runLoop in any case. a.mu is held.
func (a *actor) note(in sess.Input) {
	if a.sessionDataChan == nil {
		a.sessionDataChan = newMailbox()
	}
	a.sessionDataChan = append(a.sessionDataChan, in)
}

// rouse reports whether the caller must run the runLoop, since nobody does, and something waits
// or the actor was about to end when its key came into doubt. a.mu is held.
func (a *actor) rouse() (idle bool) {
	if idle = !a.running && !a.arriving && !a.gone && (a.sessionDataChan != nil || a.done); idle {
		a.running = true
		a.m.busy.Add()
	}
	return idle
}

// tellLost tells the machine that updates were refused because the mailbox is full: sync
// does not push them again when it gets a refusal, so the client has to fetch them. It
// starts no runLoop, since a full mailbox is going to be run in any case. a.mu is held.
func (a *actor) tellLost(in sess.Input) {
	switch in.(type) {
	case *sess.PushUpdates, *sess.PushSessionUpdates:
	default:
		return
	}
	if a.pushesLost {
		return
	}
	a.pushesLost = true
	a.note(&sess.PushesLost{})
}

// comesBack has the machine told first of all if the ring has given the key back. a.mu is held.
func (a *actor) comesBack() {
	if a.back() {
		a.note(&sess.Returned{})
	}
}

// back reports whether, since the last look at the actor, the ring has given the key to
// another node and back to this one. Then the other node may have served it, and what the
// machine knows may be out of date. a.mu is held.
func (a *actor) back() (back bool) {
	if !a.unbound {
		a.epoch, back = a.m.o.Cluster.ReacquiredSince(a.key, a.epoch)
		a.doubted = a.doubted || back && !a.guest
		a.guest = a.guest && !back
	}
	return back
}

// weight is how many bytes of the mailbox an input takes. data says that the input comes
// from outside and counts towards the bounds; inputs that the node itself makes do not, so
// that they are never refused.
func weight(in sess.Input) (bytes int, data bool) {
	switch in := in.(type) {
	case *sess.Data:
		return len(in.Payload), true
	case *sess.PushUpdates:
		return len(in.Updates), true
	case *sess.PushSessionUpdates:
		return len(in.Updates), true
	case *sess.PushRPCResult:
		return len(in.RPCResult), true
	case *sess.ConnNew, *sess.ConnClosed:
		return 0, true
	}
	return 0, false
}

// isLong reports whether the step for an input is so long that the runLoop lets other
// goroutines run after it. Go's scheduler would interrupt it after 10 ms only.
func isLong(in sess.Input) bool {
	const long = 32 << 10
	if done, ok := in.(*sess.CallDone); ok {
		r, ok := done.Result.(*sess.MethodResult)
		return ok && len(r.PB) >= long
	}
	size, _ := weight(in)
	return size >= long
}

// runLoop steps the machine through the mailbox until it is empty.
func (a *actor) runLoop() {
	defer a.m.busy.Done()
	out := effects.Get().(*sess.Effects)
	defer effects.Put(out)
	var batch []sess.Input
	for {
		var left bool
		if batch, left = a.take(batch); batch == nil {
			if left {
				a.m.o.Cluster.OnGap(a.key)
			}
			return
		}
		for i, in := range batch {
			if a.parting && forAnother(in) {
				a.keep(in)
				continue
			}
			long := isLong(in)
			a.step(in, out)
			if long {
				runtime.Gosched()
			}
			if out.State != nil {
				a.leave(out.State, batch[i+1:])
				break
			}
			if out.Handover != nil {
				a.handOver(out.Handover, batch[i+1:])
				break
			}
		}
	}
}

// take gives the last batch back and returns the next one; nil ends the runLoop. left
// says that the actor has ended because another node owns its key, and that the client
// may not have all updates.
func (a *actor) take(last []sess.Input) (next []sess.Input, left bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	recycle(last)
	if a.looks != nil {
		a.show()
	}
	if a.arriving { // the mailbox waits until the other node has answered whether it has the key (Fetch)
		a.taken, a.running = load{}, false
		return nil, false
	}
	a.taken, a.waiting = a.waiting, load{}
	if next = a.sessionDataChan; next != nil {
		a.sessionDataChan, a.pushesLost = nil, false
		return next, false
	}
	a.running = false
	if !a.parting && (a.done || a.leaving && a.drained) { // a node that has asked for the key gets it first
		a.gone = true
		left = a.leaving && a.behind
		if a.leaving {
			a.noteReleased()
		}
		a.machine = nil
		a.m.forget(a)
		a.m.drained(a)
	}
	return nil, left
}

// tickAgain is how long after a panic in a Tick the key is woken again.
const tickAgain = 10 * time.Second

// step feeds one input to the machine and does what it asks for. A panic
// costs this input alone.
func (a *actor) step(in sess.Input, out *sess.Effects) {
	out.Reset()
	stepped := a.guard(in, out)
	for i := range out.Sends {
		a.m.o.Send(a.key, out.Sends[i])
	}
	for _, r := range out.Replies {
		if !a.m.Slots.answer(r.Slot, r.Payload) && len(r.Payload) > 0 {
			a.m.Owe(a.key, &sess.HTTPGone{Slot: r.Slot, Lost: r.Payload})
		}
	}
	if len(out.Present) > 0 {
		a.m.o.Cluster.Introduce(a.key, slices.Clone(out.Present))
	}
	for _, d := range out.Unplaced {
		d.Unbound = true
		if a.m.PostDead(d.AuthKeyID, d) != nil && d.HTTP != 0 {
			a.m.Slots.answer(d.HTTP, nil)
		}
	}
	for _, c := range out.Calls {
		a.call(c)
	}
	for _, c := range out.Counts {
		a.m.counts[c.What].Add(int64(c.N))
	}
	for _, f := range out.Faults {
		a.m.faults.write(a.key, f)
	}
	if len(out.Ended) > 0 {
		a.noteEnded(out.Ended)
	}
	if !stepped {
		if _, tick := in.(*sess.Tick); tick { // the timer of this Tick has fired and must be set anew; for other inputs it is still set
			a.m.wheel.arm(a, a.m.o.Now()+int64(tickAgain))
		}
		return
	}
	switch in.(type) {
	case *sess.HandOff:
		a.parting = true
	case *sess.Stay:
		a.stay()
	}
	if out.State != nil {
		return
	}
	a.done, a.behind = out.Done, out.Behind
	a.held.Store(int64(out.Held))
	a.m.wheel.arm(a, out.WakeAt)
	if out.Drained && !a.drained {
		a.drained = true
		a.m.drained(a)
	}
}

func (a *actor) guard(in sess.Input, out *sess.Effects) (stepped bool) {
	defer func() {
		if r := recover(); r != nil {
			a.panicked(fmt.Sprintf("%T", in), r)
		}
	}()
	a.machine.Step(a.m.o.Now(), a.m.o.Wall(), in, out)
	return true
}

// panicked tells operators of a defect, in the deferred function that has recovered it.
func (a *actor) panicked(in string, r any) {
	metrics.Panics.Inc()
	a.m.faults.line("panic in "+in, "-").Errorf("auth key %d: panic in %s: %v\n%s", a.key, in, r, debug.Stack())
}

// handOver gives the sessions of a temp key that was just bound to the actor
// of its perm key, and after them what still waits here. The actor stays in
// the map for a while, as a signpost for packets that were on their way.
func (a *actor) handOver(h *sess.Handover, rest []sess.Input) {
	_ = a.m.inherit(h.To, &sess.Adopt{Handover: h}, true) // what is owed is not refused
	a.passOn(rest, func(in sess.Input) { _ = a.m.inherit(h.To, in, true) }, func() { a.heir, a.done = h.To, false })
	a.machine = nil
	a.held.Store(0)
	a.m.drained(a)
	a.m.wheel.arm(a, a.m.o.Now()+int64(signpostTime))
}

// passOn gives send what waits here, and what comes meanwhile, in order. then is for
// the moment when nothing is left: whatever comes later finds what it has changed. a.mu
// is held.
func (a *actor) passOn(queue []sess.Input, send func(sess.Input), then func()) {
	for {
		for _, in := range queue {
			send(in)
		}
		a.mu.Lock()
		a.taken, a.waiting = a.waiting, load{}
		if queue = a.sessionDataChan; queue == nil {
			then()
			a.mu.Unlock()
			return
		}
		a.sessionDataChan, a.pushesLost = nil, false
		a.mu.Unlock()
	}
}

// isSignpost reports whether the actor has handed its sessions over.
func (a *actor) isSignpost() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heir != 0
}

// batch recycles mailboxes: most hold one packet and live for microseconds. A batch
// without a mailbox is kept for the next one.
type batch struct{ items []sess.Input }

const recycled = 64 // larger mailboxes are left to the garbage collector

var (
	batches = sync.Pool{New: func() any { return &batch{make([]sess.Input, 0, 8)} }}
	empties = sync.Pool{New: func() any { return new(batch) }}
	effects = sync.Pool{New: func() any { return new(sess.Effects) }}
)

// newMailbox takes an empty mailbox.
func newMailbox() (items []sess.Input) {
	b := batches.Get().(*batch)
	items, b.items = b.items, nil
	empties.Put(b)
	return items
}

func recycle(items []sess.Input) {
	if items == nil || cap(items) > recycled {
		return
	}
	clear(items)
	b := empties.Get().(*batch)
	b.items = items[:0]
	batches.Put(b)
}
