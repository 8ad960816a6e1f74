package admin

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

const (
	sampleEvery = time.Minute
	sampledFor  = 24 * time.Hour
	samplesKept = int(sampledFor / sampleEvery)
	// samplesShown bounds what an overview has of them: more points than a chart has
	// room for would only make each look longer.
	samplesShown = 240
)

// sample is how many logins were online at a time.
type sample struct {
	at    time.Time
	count int64
}

// samples keep how many logins were online, a number a minute for a day: some 35 KB,
// whatever the number of logins. They are this node's, and begin anew with it.
type samples struct {
	sessions Sessions
	within   time.Duration // a login that was used within it is online
	timeout  time.Duration
	now      func() time.Time

	mu   sync.Mutex
	ring []sample // full: next is the oldest
	next int
}

// start starts a worker that takes a sample each minute.
func (s *samples) start() *worker.Worker {
	return worker.Start(worker.Job{Name: "admin API, who is online", First: sampleEvery, Every: sampleEvery, Run: s.take})
}

// take counts. A count that fails leaves a gap.
func (s *samples) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := s.sessions.Online(ctx, s.within)
	if err != nil {
		return fmt.Errorf("cannot be counted: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := sample{at: s.now(), count: n}
	if len(s.ring) < samplesKept {
		s.ring = append(s.ring, one)
		return nil
	}
	s.ring[s.next] = one
	s.next = (s.next + 1) % samplesKept
	return nil
}

// list returns samples of the last day, the oldest first: all of them while they are
// samplesShown at most, then every second, third and so on, the newest always.
func (s *samples) list() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var young []sample
	for i := range s.ring {
		if one := s.ring[(s.next+i)%len(s.ring)]; s.now().Sub(one.at) <= sampledFor {
			young = append(young, one)
		}
	}
	step := (len(young) + samplesShown - 1) / samplesShown
	if step <= 1 {
		return young
	}
	shown := make([]sample, 0, samplesShown)
	for i := (len(young) - 1) % step; i < len(young); i += step {
		shown = append(shown, young[i])
	}
	return shown
}
