package peers

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/authsession"
)

// touchRole is an authsession that hears of logins in use.
type touchRole struct {
	authsession.RPCSessionManagerClient
	mu    sync.Mutex
	calls []int // keys in each
	keys  map[int64]bool
	ended []int64
	err   error
}

func (r *touchRole) TouchSessions(_ context.Context, in *authsession.TouchSessionsRequest, _ ...grpc.CallOption) (*authsession.TouchSessionsReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, len(in.Touches))
	for _, t := range in.Touches {
		r.keys[t.AuthKeyId] = t.DateActive > 0
	}
	return &authsession.TouchSessionsReply{RevokedAuthKeyIds: r.ended}, r.err
}

func (r *touchRole) told() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys)
}

func startTouches(a *AuthSession, ended func(perm, asked int64), every time.Duration) *Touches {
	t := NewTouches(a, TouchOptions{Ended: ended, Every: every})
	t.Start()
	return t
}

func TestLoginsInUseAreTold(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}}
	touches := startTouches(&AuthSession{manager: role, timeout: time.Second}, nil, 5*time.Millisecond)
	touches.Seen(1)
	touches.Seen(1)
	touches.Seen(-2)
	require.Eventually(t, func() bool { return role.told() == 2 }, time.Minute, time.Millisecond)
	touches.Close()
}

// What authsession says of logins that have ended is passed on, with the time
// at which it was asked.
func TestEndedLoginsAreReported(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}, ended: []int64{7}}
	var ended []int64
	began, at := time.Now().UnixNano(), int64(0)
	touches := startTouches(&AuthSession{manager: role, timeout: time.Second}, func(perm, asked int64) {
		ended, at = append(ended, perm), asked
	}, time.Hour)
	touches.Seen(7)
	touches.Seen(8)
	touches.Close()
	require.Equal(t, []int64{7}, ended)
	require.True(t, began <= at && at <= time.Now().UnixNano())
}

// The rest is told at the end, in calls of a bounded size.
func TestTouchesAreBounded(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}}
	touches := startTouches(&AuthSession{manager: role, timeout: time.Second}, nil, time.Hour)
	for i := range int64(maxTouching + 100) {
		touches.Seen(i)
	}
	touches.Close()
	require.Len(t, role.keys, maxTouching)
	for _, n := range role.calls {
		require.LessOrEqual(t, n, touchBatch)
	}
}

// A node whose keys announce themselves every 45 s, some 450,000 of them or more, told
// of the first 200,000 of a round of 20 s; where the times are such that a key always
// comes late in a round, its login looked idle for ever.
func TestAllKeysOfALargeNodeAreTold(t *testing.T) {
	const keys = 500_000
	role := &touchRole{keys: map[int64]bool{}}
	touches := NewTouches(&AuthSession{manager: role, timeout: time.Minute}, TouchOptions{})
	for i := range int64(keys) {
		touches.Seen(i)
	}
	touches.Tell(t.Context())
	require.Equal(t, keys, role.told())
}

// An authsession that cannot, or does not answer, is not asked for the rest.
func TestAStockAuthsessionIsLeftAlone(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}, err: status.Error(codes.Unimplemented, "unknown service")}
	touches := startTouches(&AuthSession{manager: role, timeout: time.Second}, nil, time.Hour)
	for i := range int64(3 * touchBatch) {
		touches.Seen(i)
	}
	touches.Close()
	require.Len(t, role.calls, 1)
}

// slowRole answers each call at the last moment.
type slowRole struct {
	touchRole
	takes time.Duration
}

func (r *slowRole) TouchSessions(ctx context.Context, in *authsession.TouchSessionsRequest, _ ...grpc.CallOption) (*authsession.TouchSessionsReply, error) {
	select {
	case <-time.After(r.takes):
		return r.touchRole.TouchSessions(ctx, in)
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// The last round was bounded by the time of each of its calls, of which there
// may be a thousand; so was one under way when the node ended.
func TestTheLastRoundOfTouchesHasOneDeadline(t *testing.T) {
	for _, c := range []struct {
		name    string
		elapsed time.Duration
	}{{"between two rounds", 0}, {"within a round", TouchEvery + time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				role := &slowRole{touchRole: touchRole{keys: map[int64]bool{}}, takes: 1900 * time.Millisecond}
				touches := startTouches(&AuthSession{manager: role, timeout: 2 * time.Second}, nil, TouchEvery)
				for i := range int64(50 * touchBatch) {
					touches.Seen(i)
				}
				time.Sleep(c.elapsed)
				touches.Seen(-1) // for the round after
				start := time.Now()
				touches.Close()
				require.LessOrEqual(t, time.Since(start), 2*time.Second)
				require.NotZero(t, role.told(), "what there is time for is told")
			})
		})
	}
}
