package session

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/proto/authsession"
)

// checkerRole is an authsession of ours, as far as it says which logins have ended.
type checkerRole struct {
	authsession.UnimplementedRPCSessionManagerServer
	auth *authRole

	mu      sync.Mutex
	touched []int64 // since it was asked last
}

func (r *checkerRole) TouchSessions(_ context.Context, in *authsession.TouchSessionsRequest) (*authsession.TouchSessionsReply, error) {
	out := &authsession.TouchSessionsReply{}
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, touch := range in.GetTouches() {
		r.touched = append(r.touched, touch.GetAuthKeyId())
		if r.auth.users[touch.GetAuthKeyId()] == 0 {
			out.RevokedAuthKeyIds = append(out.RevokedAuthKeyIds, touch.GetAuthKeyId())
		}
	}
	return out, nil
}

func (r *checkerRole) take() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.touched = nil }()
	return r.touched
}

// The check of a login costs no call a message: who is in use is told in rounds, and
// a login that has ended without a word is felt by a client that says nothing, as if
// its end had been pushed. It may log in again.
func TestTouchesCheckLogins(t *testing.T) {
	c := startCluster(t)
	checker := &checkerRole{auth: c.auth}
	c.serve("authsession", func(g *grpc.Server) {
		authsession.RegisterRPCAuthsessionServer(g, c.auth)
		authsession.RegisterRPCSessionManagerServer(g, checker)
	})
	n := c.start()
	d, other := c.login(n, permA, 77), c.login(n, permB, 78)
	for _, user := range []int64{77, 78} {
		eventually(t, "online in status", func() bool { return c.stat.node(user) != "" })
	}
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	c.auth.mu.Lock()
	reads := c.auth.reads
	c.auth.mu.Unlock()
	for range 50 {
		d.result(n.send(t, d, getUsers))
	}
	n.svc.Touches.Tell(t.Context())
	require.ElementsMatch(t, []int64{permA, permB}, checker.take(), "each once")
	c.auth.mu.Lock()
	require.Equal(t, reads, c.auth.reads, "no message reads the login")
	c.auth.mu.Unlock()

	c.auth.logOut(permA)
	for _, perm := range []int64{permA, permB} { // as their next announcements do
		n.svc.Touches.Seen(perm)
	}
	n.svc.Touches.Tell(t.Context())
	d.await("updatesTooLong", func(m message) bool { return m.constructor() == updatesTooLong })
	requireError(t, d.result(n.send(t, d, getUsers)), 401, "AUTH_KEY_UNREGISTERED")
	require.NotEqual(t, ids(rpcError), other.result(n.send(t, other, getUsers))[:4], "the others stay")

	c.auth.mu.Lock()
	c.auth.users[permA] = 79
	c.auth.mu.Unlock()
	eventually(t, "the new login is served", func() bool {
		result := d.result(n.send(t, d, getUsers))
		return string(ids(rpcError)) != string(result[:4])
	})
}
