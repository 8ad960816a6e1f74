package peers

import (
	"context"
	"sync"
	"testing"
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

func TestLoginsInUseAreTold(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}}
	touches := newTouches(&AuthSession{manager: role, timeout: time.Second}, nil, 5*time.Millisecond)
	touches.Seen(1)
	touches.Seen(1)
	touches.Seen(-2)
	require.Eventually(t, func() bool { return role.told() == 2 }, 5*time.Second, time.Millisecond)
	touches.Close()
}

// What authsession says of logins that have ended is passed on, with the time
// at which it was asked.
func TestEndedLoginsAreReported(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}, ended: []int64{7}}
	var ended []int64
	began, at := time.Now().UnixNano(), int64(0)
	touches := newTouches(&AuthSession{manager: role, timeout: time.Second}, func(perm, asked int64) {
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
	touches := newTouches(&AuthSession{manager: role, timeout: time.Second}, nil, time.Hour)
	for i := range int64(maxTouching + 100) {
		touches.Seen(i)
	}
	touches.Close()
	require.Len(t, role.keys, maxTouching)
	for _, n := range role.calls {
		require.LessOrEqual(t, n, touchBatch)
	}
}

// An authsession that cannot, or does not answer, is not asked for the rest.
func TestAStockAuthsessionIsLeftAlone(t *testing.T) {
	role := &touchRole{keys: map[int64]bool{}, err: status.Error(codes.Unimplemented, "unknown service")}
	touches := newTouches(&AuthSession{manager: role, timeout: time.Second}, nil, time.Hour)
	for i := range int64(3 * touchBatch) {
		touches.Seen(i)
	}
	touches.Close()
	require.Len(t, role.calls, 1)
}
