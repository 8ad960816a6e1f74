package peers

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/proto/authsession"
)

const (
	touchEvery  = 20 * time.Second
	touchBatch  = 1000    // keys in one call
	maxTouching = 200_000 // keys between two rounds; what comes after them has to come again
)

// Touches tells authsession which logins are in use, in batches: without it
// they would look idle there. (PEERS.md, "Our own calls".) A stock authsession
// does not want to know.
type Touches struct {
	auth  *AuthSession
	ended func(perm, asked int64)

	mu   sync.Mutex
	seen map[int64]int64 // Unix seconds by perm key

	stop context.CancelFunc // ends the rounds
	cut  context.CancelFunc // ends the call under way, and all after it
	done chan struct{}
}

// NewTouches starts it; Close ends it. ended is called for the keys that nobody
// is logged in on any more, with the time at which that was asked, Unix
// nanoseconds: whoever ended a login tells its node, but may not have reached
// it.
func NewTouches(a *AuthSession, ended func(perm, asked int64)) *Touches {
	return newTouches(a, ended, touchEvery)
}

func newTouches(a *AuthSession, ended func(perm, asked int64), every time.Duration) *Touches {
	rounds, stop := context.WithCancel(context.Background())
	calls, cut := context.WithCancel(context.Background())
	t := &Touches{auth: a, ended: ended, seen: map[int64]int64{}, stop: stop, cut: cut, done: make(chan struct{})}
	go t.loop(rounds, calls, every)
	return t
}

// Seen notes that a perm key is in use now. It never blocks.
func (t *Touches) Seen(perm int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.seen[perm]; known || len(t.seen) < maxTouching {
		t.seen[perm] = time.Now().Unix()
	}
}

// Close tells what is not told yet, in the time of one call altogether, and
// ends.
func (t *Touches) Close() {
	t.stop()
	late := time.AfterFunc(t.auth.timeout, t.cut)
	<-t.done
	late.Stop()
	t.cut()
}

func (t *Touches) loop(rounds, calls context.Context, every time.Duration) {
	defer close(t.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-rounds.Done():
			t.tell(calls) // the last round, also of a loop that had no time to begin
			return
		case <-ticker.C:
			t.tell(calls)
		}
	}
}

// tell reports a round. What cannot be told is seen again within a minute, as
// long as it is in use.
func (t *Touches) tell(calls context.Context) {
	t.mu.Lock()
	round := make([]*authsession.SessionTouch, 0, len(t.seen))
	for perm, at := range t.seen {
		round = append(round, &authsession.SessionTouch{AuthKeyId: perm, DateActive: at})
	}
	clear(t.seen)
	t.mu.Unlock()
	for batch := range slices.Chunk(round, touchBatch) {
		ctx, cancel := context.WithTimeout(calls, t.auth.timeout)
		asked := clock.Now()
		reply, err := t.auth.manager.TouchSessions(ctx, &authsession.TouchSessionsRequest{Touches: batch})
		cancel()
		if err != nil {
			if status.Code(err) != codes.Unimplemented {
				faults.Errorf("authsession.touchSessions: %v", err)
			}
			return
		}
		for _, perm := range reply.GetRevokedAuthKeyIds() {
			t.ended(perm, asked)
		}
	}
}
