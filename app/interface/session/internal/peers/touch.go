package peers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/proto/authsession"
)

// TouchEvery is how often authsession hears of logins in use.
const TouchEvery = 20 * time.Second

const (
	touchBatch  = 1000    // keys in one call
	maxTouching = 1 << 20 // keys between two rounds; what comes after them has to come again
)

// Touches tells authsession which logins are in use, in batches: without it
// they would look idle there. (PEERS.md, "Our own calls".) A stock authsession
// does not want to know. It is safe for concurrent use.
type Touches struct {
	auth *AuthSession
	o    TouchOptions

	mu    sync.Mutex
	round []*authsession.SessionTouch
	index map[int64]int // in round, by perm key

	stop context.CancelFunc // ends the rounds; nil: Start was not called
	cut  context.CancelFunc // ends the call under way, and all after it
	done chan struct{}
}

// TouchOptions of Touches.
type TouchOptions struct {
	// Ended is called for the keys that nobody is logged in on any more, with the
	// time at which that was asked, by Now: whoever ended a login tells its node, but
	// may not have reached it. It must not block.
	Ended func(perm, asked int64)
	// Now is the time by which keys wait, Wall what the machine's clock says, both
	// in Unix nanoseconds. nil: package clock, time.Now.
	Now, Wall func() int64
	Every     time.Duration // how often Start's rounds come. Zero value means TouchEvery
}

// NewTouches makes it. Start begins its rounds; who does not call that calls Tell.
func NewTouches(a *AuthSession, o TouchOptions) *Touches {
	if o.Now == nil {
		o.Now = clock.Now
	}
	if o.Wall == nil {
		o.Wall = func() int64 { return time.Now().UnixNano() }
	}
	return &Touches{auth: a, o: o, index: map[int64]int{}}
}

// Start begins the rounds; Close ends them.
func (t *Touches) Start() {
	rounds, stop := context.WithCancel(context.Background())
	calls, cut := context.WithCancel(context.Background())
	t.stop, t.cut, t.done = stop, cut, make(chan struct{})
	go t.loop(rounds, calls, cmp.Or(t.o.Every, TouchEvery))
}

// Seen notes that a perm key is in use now. It never blocks.
func (t *Touches) Seen(perm int64) {
	at := t.o.Wall() / int64(time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, known := t.index[perm]; known {
		t.round[i].DateActive = at
	} else if len(t.round) < maxTouching {
		t.index[perm] = len(t.round)
		t.round = append(t.round, &authsession.SessionTouch{AuthKeyId: perm, DateActive: at})
	}
}

// Close tells what is not told yet, in the time of one call altogether, and
// ends what Start began.
func (t *Touches) Close() {
	if t.stop == nil {
		return
	}
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
			t.Tell(calls) // the last round, also of a loop that had no time to begin
			return
		case <-ticker.C:
			t.Tell(calls)
		}
	}
}

// Tell reports a round, in the order in which keys were first seen. What cannot be
// told is seen again within a minute, as long as it is in use.
func (t *Touches) Tell(ctx context.Context) {
	t.mu.Lock()
	round := t.round
	t.round = nil
	clear(t.index)
	t.mu.Unlock()
	for batch := range slices.Chunk(round, touchBatch) {
		bounded, cancel := context.WithTimeout(ctx, t.auth.timeout)
		asked := t.o.Now()
		reply, err := t.auth.manager.TouchSessions(bounded, &authsession.TouchSessionsRequest{Touches: batch})
		cancel()
		if err != nil {
			if status.Code(err) != codes.Unimplemented {
				faults.Errorf("authsession.touchSessions: %v", err)
			}
			return
		}
		for _, perm := range reply.GetRevokedAuthKeyIds() {
			t.o.Ended(perm, asked)
		}
	}
}
