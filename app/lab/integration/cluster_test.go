package integration

import (
	"context"
	"strings"
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
	t           *testing.T
	gateway     *gatewayRole
	status      *statusRole
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
	c := &cluster{stores: startServers(t), t: t}
	c.gateway = c.playGateway(t, true)
	c.status = c.playStatus(t)
	c.bff = c.playBFF(t)
	c.authsession = c.startAuthsession(t, variant+"-authsession.yaml")
	c.session = c.startSession(t, variant+"-session.yaml", extra)
	c.conn = dial(t, c.session.addr)
	c.auth = authsession.NewRPCAuthsessionClient(dial(t, c.authsession.addr))
	return c
}

// newClient opens a session of a fresh perm key.
func (c *cluster) newClient(t *testing.T) *client {
	return newClient(t, c.conn, c.gateway, newKey(t, c.conn, 0))
}

// login binds a user to the client's perm key, as a BFF does.
func (c *cluster) login(t *testing.T, k *authKey, user int64) {
	t.Helper()
	res, err := c.auth.AuthsessionBindAuthKeyUser(t.Context(), &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.perm, UserId: user})
	require.NoError(t, err)
	require.NotZero(t, res.V, "hash of the login")
}

// newUser opens a session of a fresh key with a user, initialised.
func (c *cluster) newUser(t *testing.T, user int64) *client {
	t.Helper()
	cl := c.newClient(t)
	c.login(t, cl.key, user)
	c.answer(getState, &tg.UpdatesState{Pts: 1, Date: 1})
	cl.result(cl.call(initialised(t, &tg.UpdatesGetStateRequest{})))
	return cl
}

// Paths of the methods that the tests call.
const (
	getState    = "/mtproto.RPCUpdates/updates_getState"
	getUsers    = "/mtproto.RPCUsers/users_getUsers"
	getConfig   = "/mtproto.RPCConfiguration/help_getConfig"
	nearestDC   = "/mtproto.RPCConfiguration/help_getNearestDc"
	sendMessage = "/mtproto.RPCMessages/messages_sendMessage"
	signIn      = "/mtproto.RPCAuthorization/auth_signIn"
)

// encodeResult turns a TL answer into what a BFF replies.
func (b *bffRole) encodeResult(t *testing.T, path string, e bin.Encoder) []byte {
	t.Helper()
	_, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	methods := b.schema.MethodByName(strings.Replace(name, "_", ".", 1))
	require.NotEmpty(t, methods, path)
	out, _, err := b.schema.ResultToProto(nil, methods[0], encode(t, e))
	require.NoError(t, err)
	return out
}

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
