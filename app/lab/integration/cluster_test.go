package integration

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/proto/authsession"
)

// cluster is the pair under test with every peer played by the test.
type cluster struct {
	*stores
	t           testing.TB
	gateway     *gatewayRole
	status      *statusRole
	bffs        *bffServer
	bff         *bffRole
	authsession *service
	session     *service
	conn        *grpc.ClientConn // to session
	auth        authsession.RPCAuthsessionClient
}

// startCluster starts both services from the stock files of a variant
// (app, etc, etc2); extra is appended to session.yaml.
func startCluster(t *testing.T, variant, extra string) *cluster {
	t.Helper()
	require.Nil(t, shared.cluster, "one cluster at a time: a test whose parts share one has to be parallel itself")
	return newCluster(t, variant, "", extra)
}

// newCluster is startCluster; both is appended to both files, and change edits
// session.yaml.
func newCluster(t testing.TB, variant, both, extra string, change ...func(string) string) *cluster {
	t.Helper()
	c := &cluster{stores: startServers(t), t: t}
	c.gateway = c.playGateway(t, true)
	c.status = c.playStatus(t)
	c.bffs = c.playBFF(t)
	c.bff = c.bffs.role()
	c.authsession = c.startAuthsession(t, variant+"-authsession.yaml", both)
	c.session = c.startSession(t, variant+"-session.yaml", both+extra, change...)
	c.conn = dial(t, c.session.addr)
	c.auth = authsession.NewRPCAuthsessionClient(dial(t, c.authsession.addr))
	return c
}

// newKey registers a fresh key, whose calls reach the BFF of the test.
func (c *cluster) newKey(typ int32) *authKey {
	c.t.Helper()
	k := newKey(c.t, c.conn, typ)
	c.bff.own(k.id())
	return k
}

// newClient opens a session of a fresh perm key.
func (c *cluster) newClient() *client { return c.open(c.newKey(0)) }

// open opens a session of a key.
func (c *cluster) open(k *authKey) *client {
	c.t.Helper()
	return newClient(c.t, c.conn, c.gateway, k)
}

// login binds a user to the client's perm key, as a BFF does.
func (c *cluster) login(k *authKey, user int64) {
	c.t.Helper()
	res, err := c.auth.AuthsessionBindAuthKeyUser(c.t.Context(), &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.perm, UserId: user})
	require.NoError(c.t, err)
	require.NotZero(c.t, res.V, "hash of the login")
}

// newUser opens a session of a fresh key with a user, initialised.
func (c *cluster) newUser(user int64) *client {
	c.t.Helper()
	cl := c.newClient()
	c.login(cl.key, user)
	c.initialise(cl)
	return cl
}

// initialise makes a client's first call, which also makes its session the one
// that takes updates.
func (c *cluster) initialise(cl *client) {
	c.t.Helper()
	c.answer(getState, &tg.UpdatesState{Pts: 1, Date: 1})
	cl.result(cl.call(initialised(c.t, &tg.UpdatesGetStateRequest{})))
}

var lastUser atomic.Int64

// newUserID is a user that no other test has.
func newUserID() int64 { return 1000 + lastUser.Add(1) }

// Paths of the methods that the tests call.
const (
	getState    = "/mtproto.RPCUpdates/updates_getState"
	getUsers    = "/mtproto.RPCUsers/users_getUsers"
	getConfig   = "/mtproto.RPCConfiguration/help_getConfig"
	nearestDC   = "/mtproto.RPCConfiguration/help_getNearestDc"
	sendMessage = "/mtproto.RPCMessages/messages_sendMessage"
	signIn      = "/mtproto.RPCAuthorization/auth_signIn"
)

// answer lets a method always answer the same.
func (c *cluster) answer(path string, e bin.Encoder) {
	c.t.Helper()
	out := c.bff.encodeResult(c.t, path, e)
	c.bff.on(path, func(context.Context, bffCall) ([]byte, error) { return out, nil })
}

// hold lets a method answer only after release was called.
func (c *cluster) hold(path string, e bin.Encoder) (release func()) {
	c.t.Helper()
	out, gate := c.bff.encodeResult(c.t, path, e), make(chan struct{})
	c.bff.on(path, func(ctx context.Context, _ bffCall) ([]byte, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return out, nil
	})
	return func() { close(gate) }
}
