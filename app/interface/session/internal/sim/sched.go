package sim

import (
	"iter"
	"math/rand/v2"
	"time"
)

// scheduler is the clock of a run, and all that decides what happens next:
// events in the order of their time, and among equals in the order they were
// made. Nothing else runs, so a seed decides everything.
type scheduler struct {
	now    int64 // Unix nanoseconds
	serial uint64
	events []event // a binary heap
	rnd    *rand.Rand
	ended  bool
	each   func() // after each event
	busy   int    // once in so many times a processor is not there at once; 0: always

	running *fiber
	idle    []*fiber
	fibers  []*fiber
}

// event is something that will happen.
type event struct {
	at     int64
	serial uint64
	f      func()
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.serial < o.serial
}

// epoch is when a run begins, at the earliest.
const epoch = int64(1_790_000_100) * 1e9

func newScheduler(seed uint64) *scheduler {
	s := &scheduler{rnd: rand.New(rand.NewPCG(seed, 0x5e5510))}
	s.now = epoch + int64(s.between(0, 30*time.Minute)) // anywhere in the time of a salt
	return s
}

// after has f happen in d.
func (s *scheduler) after(d time.Duration, f func()) { s.at(s.now+int64(d), f) }

func (s *scheduler) at(t int64, f func()) {
	s.serial++
	s.events = append(s.events, event{max(t, s.now), s.serial, f})
	for i := len(s.events) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.events[i].before(&s.events[parent]) {
			break
		}
		s.events[i], s.events[parent] = s.events[parent], s.events[i]
		i = parent
	}
}

func (s *scheduler) pop() event {
	first, last := s.events[0], len(s.events)-1
	s.events[0] = s.events[last]
	s.events[last] = event{}
	s.events = s.events[:last]
	for i := 0; ; {
		least, left := i, 2*i+1
		for _, child := range [2]int{left, left + 1} {
			if child < last && s.events[child].before(&s.events[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		s.events[i], s.events[least] = s.events[least], s.events[i]
		i = least
	}
}

// runUntil lets everything happen up to t, or until stop says so.
func (s *scheduler) runUntil(t int64, stop func() bool) {
	for len(s.events) > 0 && s.events[0].at <= t {
		if stop() {
			return
		}
		e := s.pop()
		s.now = e.at
		e.f()
		s.each()
	}
	s.now = max(s.now, t)
}

// fiber is a function that may wait for virtual time: a coroutine that only
// the scheduler resumes.
type fiber struct {
	resume  func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	f       func()
	waiting bool
}

// spawn has f run as a fiber, soon: when exactly is the seed's choice, as it
// is the operating system's in life. It is a lane.Spawn.
func (s *scheduler) spawn(f func()) {
	wait := s.between(0, 100*time.Microsecond)
	if s.chance(s.busy) {
		wait = s.between(0, 200*time.Millisecond)
	}
	s.after(wait, func() { s.run(f) })
}

func (s *scheduler) run(f func()) {
	if s.ended {
		return
	}
	var b *fiber
	if n := len(s.idle); n > 0 {
		b, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		b = s.newFiber()
	}
	b.f = f
	s.resume(b)
}

func (s *scheduler) newFiber() *fiber {
	b := &fiber{}
	b.resume, b.stop = iter.Pull(func(yield func(struct{}) bool) {
		b.yield = yield
		for {
			b.f()
			b.f = nil
			if !yield(struct{}{}) {
				return
			}
		}
	})
	s.fibers = append(s.fibers, b)
	return b
}

func (s *scheduler) resume(b *fiber) {
	outer := s.running
	s.running = b
	b.resume()
	s.running = outer
	if !b.waiting {
		s.idle = append(s.idle, b)
	}
}

// sleep lets virtual time pass. False: the run is over.
func (s *scheduler) sleep(d time.Duration) bool {
	w := s.wait()
	w.expire(d)
	return w.wait()
}

// waiting is one wait of a fiber.
type waiting struct {
	s       *scheduler
	b       *fiber
	over    bool
	expired bool
}

func (s *scheduler) wait() *waiting { return &waiting{s: s, b: s.running} }

// expire ends the wait in d, unless it has ended.
func (w *waiting) expire(d time.Duration) {
	w.s.after(d, func() {
		if !w.over {
			w.expired = true
			w.end()
		}
	})
}

// end ends the wait. The fiber goes on when the caller is done.
func (w *waiting) end() {
	if w.over {
		return
	}
	w.over = true
	w.s.after(0, func() {
		if w.b.waiting {
			w.b.waiting = false
			w.s.resume(w.b)
		}
	})
}

// wait holds the fiber until end or expire. False: the run is over.
func (w *waiting) wait() bool {
	if w.s.ended {
		return false
	}
	w.b.waiting = true
	w.b.yield(struct{}{})
	w.b.waiting = false
	return !w.s.ended
}

// end ends the run: whoever waits goes on, is told so, and comes to its end.
func (s *scheduler) end() {
	s.ended = true
	s.events = nil
	for _, b := range s.fibers {
		b.stop()
	}
}

// The seed's choices.

// chance is true once in n times; never when n is 0.
func (s *scheduler) chance(n int) bool { return n > 0 && s.rnd.IntN(n) == 0 }

func (s *scheduler) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(s.rnd.Int64N(int64(hi-lo)+1))
}

func pick[T any](s *scheduler, list []T) T { return list[s.rnd.IntN(len(list))] }

// id is a random id above zero.
func (s *scheduler) id() int64 { return s.rnd.Int64N(1<<62) + 1 }

// Read makes random bytes; it never fails.
func (s *scheduler) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.rnd.Uint32())
	}
	return len(b), nil
}
