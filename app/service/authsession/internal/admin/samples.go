package admin

import (
	"context"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
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
	told bool // that it fails
}

// run takes a sample each minute until ctx ends.
func (s *samples) run(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.take(ctx)
		}
	}
}

// take counts. A count that fails leaves a gap, and is told once until one succeeds.
func (s *samples) take(ctx context.Context) {
	bound, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := s.sessions.Online(bound, s.within)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if !s.told && ctx.Err() == nil {
			logx.Errorf("admin API: who is online cannot be counted: %v", err)
		}
		s.told = true
		return
	}
	s.told = false
	one := sample{at: s.now(), count: n}
	if len(s.ring) < samplesKept {
		s.ring = append(s.ring, one)
		return
	}
	s.ring[s.next] = one
	s.next = (s.next + 1) % samplesKept
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
