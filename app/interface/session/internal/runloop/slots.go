package runloop

import (
	"sync"
	"sync/atomic"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// Slots holds the open HTTP requests of the node, each waiting for one
// packet. It is safe for concurrent use.
type Slots struct {
	last atomic.Uint64
	mu   sync.Mutex
	open map[sess.Slot]chan []byte
}

func newSlots() *Slots { return &Slots{open: map[sess.Slot]chan []byte{}} }

// Open makes a slot. What the channel brings is the answer, perhaps empty.
func (s *Slots) Open() (sess.Slot, <-chan []byte) {
	slot := sess.Slot(s.last.Add(1))
	answer := make(chan []byte, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[slot] = answer
	return slot, answer
}

// Close ends a slot; unanswered says that nothing was put into it.
func (s *Slots) Close(slot sess.Slot) (unanswered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, unanswered = s.open[slot]
	delete(s.open, slot)
	return unanswered
}

// Count is how many slots are open.
func (s *Slots) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// answer puts a packet into a slot. False: its reader is gone.
func (s *Slots) answer(slot sess.Slot, payload []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, ok := s.open[slot]
	if ok {
		delete(s.open, slot)
		answer <- payload
	}
	return ok
}

// AnswerAll ends all slots with empty answers.
func (s *Slots) AnswerAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot, answer := range s.open {
		delete(s.open, slot)
		answer <- nil
	}
}
