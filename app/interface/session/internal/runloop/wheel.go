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
	mostRest   = time.Second // the wheel is turned that often when nothing is due
)

// Tick is the wheel's step. Start turns the wheel when something is due; who turns it
// otherwise (Manager.Advance) has to do so that often.
const Tick = wheelTick

// wheel is the timer of all actors. Links and times are part of the actors,
// so a timer costs no memory of its own. A timer that is only ever moved
// later, the usual case, stays in its slot, and is put into another one when the
// wheel comes to that slot.
type wheel struct {
	mu    sync.Mutex
	slots [wheelSlots]*actor
	turn  int64 // the last tick that was handled

	rests  int64         // until that tick nothing is due, as far as whoever turns it knows
	sooner chan struct{} // capacity 1: something is due before
}

// timer is an actor's place on the wheel.
type timer struct {
	next, prev *actor       // guarded by wheel.mu
	slotTick   atomic.Int64 // the tick whose slot holds it; 0: not on the wheel. Written under wheel.mu
	wakeAt     atomic.Int64 // Unix nanoseconds; 0: never
}

func newWheel(now int64) *wheel {
	return &wheel{turn: now / int64(wheelTick), sooner: make(chan struct{}, 1)}
}

// rest is for how long the wheel need not be turned, unless sooner says otherwise: until
// the next slot that holds a timer, and mostRest at most.
func (w *wheel) rest(now int64) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.turn + 1
	for most := w.turn + int64(mostRest/wheelTick); next < most && w.slots[next%wheelSlots] == nil; {
		next++
	}
	w.rests = next
	return max(time.Duration(next*int64(wheelTick)-now), time.Millisecond)
}

// arm sets when a is to be woken: Unix nanoseconds, 0 for never.
func (w *wheel) arm(a *actor, at int64) {
	a.timer.wakeAt.Store(at)
	if at == 0 {
		return // a stays where it is; when its slot comes, it is not woken
	}
	tick := (at + int64(wheelTick) - 1) / int64(wheelTick)
	if now := a.timer.slotTick.Load(); now != 0 && now <= tick {
		return // when its slot comes, it is put into that of the later time
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(a)
	w.insert(a, max(tick, w.turn+1))
}

// remove takes a off the wheel.
func (w *wheel) remove(a *actor) {
	a.timer.wakeAt.Store(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(a)
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
			if a.timer.slotTick.Load() <= last {
				w.unlink(a)
				due = append(due, a)
			}
			a = next
		}
	}
	w.turn = max(w.turn, last)
	kept := due[:0]
	for _, a := range due {
		// wakeAt is read after slotTick became 0. So a call of arm at the same time either
		// sees the 0 and puts a into a slot, or its time is seen here.
		switch at := a.timer.wakeAt.Load(); {
		case at == 0:
		case at <= now:
			kept = append(kept, a)
		default:
			if a.timer.slotTick.Load() == 0 {
				w.insert(a, max((at+int64(wheelTick)-1)/int64(wheelTick), w.turn+1))
			}
		}
	}
	return kept
}

// insert puts a into the slot of a tick. w.mu is held.
func (w *wheel) insert(a *actor, tick int64) {
	head := &w.slots[tick%wheelSlots]
	a.timer.next, a.timer.prev = *head, nil
	if *head != nil {
		(*head).timer.prev = a
	}
	*head = a
	a.timer.slotTick.Store(tick)
	if tick < w.rests {
		w.rests = tick
		select {
		case w.sooner <- struct{}{}:
		default:
		}
	}
}

// unlink takes a out of its slot, if it is in one. w.mu is held.
func (w *wheel) unlink(a *actor) {
	tick := a.timer.slotTick.Load()
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
	a.timer.slotTick.Store(0)
}

// count is how many timers are on the wheel.
func (w *wheel) count() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.slots {
		for ; a != nil; a = a.timer.next {
			n++
		}
	}
	return n
}
