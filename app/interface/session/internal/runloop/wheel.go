package runloop

import (
	"sync"
	"sync/atomic"
	"time"
)

// A turn of the wheel takes wheelTick * wheelSlots, about five and a half
// minutes: longer than an idle session lives, so that most timers are touched
// once.
const (
	wheelTick  = 20 * time.Millisecond
	wheelSlots = 1 << 14
)

// Tick is how often the wheel is to turn (Manager.Advance).
const Tick = wheelTick

// wheel is the timer of all actors. Links and times are part of the actors,
// so a timer costs no memory of its own. A timer that is only ever moved
// later, the usual case, is left hanging where it is and re-hung when its
// slot comes.
type wheel struct {
	mu    sync.Mutex
	slots [wheelSlots]*actor
	turn  int64 // the last tick that was handled
}

// timer is an actor's place on the wheel.
type timer struct {
	next, prev *actor       // guarded by wheel.mu
	hungAt     atomic.Int64 // tick; 0: not on the wheel. Written under wheel.mu
	wakeAt     atomic.Int64 // Unix nanoseconds; 0: no wish
}

func newWheel(now int64) *wheel { return &wheel{turn: now / int64(wheelTick)} }

// wish sets when a wants to be woken: Unix nanoseconds, 0 for never.
func (w *wheel) wish(a *actor, at int64) {
	a.timer.wakeAt.Store(at)
	if at == 0 {
		return // a stays hung; its slot will find no wish
	}
	tick := (at + int64(wheelTick) - 1) / int64(wheelTick)
	if hung := a.timer.hungAt.Load(); hung != 0 && hung <= tick {
		return // its slot will find the later wish
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unhook(a)
	w.hook(a, max(tick, w.turn+1))
}

// remove forgets a.
func (w *wheel) remove(a *actor) {
	a.timer.wakeAt.Store(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unhook(a)
}

// advance turns the wheel to now and returns who is to be woken.
func (w *wheel) advance(now int64) (due []*actor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := now / int64(wheelTick)
	// After a jump of a whole turn or more every slot is looked at once.
	for turn := max(w.turn+1, last-wheelSlots+1); turn <= last; turn++ {
		for a := w.slots[turn%wheelSlots]; a != nil; {
			next := a.timer.next
			if a.timer.hungAt.Load() <= last {
				w.unhook(a)
				due = append(due, a)
			}
			a = next
		}
	}
	w.turn = max(w.turn, last)
	kept := due[:0]
	for _, a := range due {
		// Read after hungAt became 0: a wish that came meanwhile either saw
		// that, or is seen here.
		switch at := a.timer.wakeAt.Load(); {
		case at == 0:
		case at <= now:
			kept = append(kept, a)
		default:
			if a.timer.hungAt.Load() == 0 {
				w.hook(a, max((at+int64(wheelTick)-1)/int64(wheelTick), w.turn+1))
			}
		}
	}
	return kept
}

func (w *wheel) hook(a *actor, tick int64) {
	head := &w.slots[tick%wheelSlots]
	a.timer.next, a.timer.prev = *head, nil
	if *head != nil {
		(*head).timer.prev = a
	}
	*head = a
	a.timer.hungAt.Store(tick)
}

func (w *wheel) unhook(a *actor) {
	tick := a.timer.hungAt.Load()
	if tick == 0 {
		return
	}
	if a.timer.prev != nil {
		a.timer.prev.timer.next = a.timer.next
	} else {
		w.slots[tick%wheelSlots] = a.timer.next
	}
	if a.timer.next != nil {
		a.timer.next.timer.prev = a.timer.prev
	}
	a.timer.next, a.timer.prev = nil, nil
	a.timer.hungAt.Store(0)
}

// hung is how many timers are on the wheel.
func (w *wheel) hung() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.slots {
		for ; a != nil; a = a.timer.next {
			n++
		}
	}
	return n
}
