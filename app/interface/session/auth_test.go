package session

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/stores/redis"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// Nodes with go-zero's Auth refused each other's calls.
func TestNodesWithAuthCallEachOther(t *testing.T) {
	c := startCluster(t)
	store := miniredis.RunT(t)
	store.HSet("apps", "gateway", "a token")
	store.HSet("apps", "session", "another token")
	withAuth := func(conf *Config) {
		conf.Auth, conf.StrictControl = true, true
		conf.Redis = redis.RedisKeyConf{RedisConf: redis.RedisConf{Host: store.Addr(), Type: redis.NodeType}, Key: "apps"}
		conf.Nodes.App, conf.Nodes.Token = "session", "another token"
	}
	a, b := c.start(withAuth), c.start(withAuth)
	for _, n := range []*node{a, b} {
		n.svc.Cluster.Update([]string{a.Address(), b.Address()})
	}
	foreign := keyOf(t, a, b.Address())
	c.auth.add(foreign, 0, 0)
	c.auth.users[foreign] = 5
	_, err := a.rpc.SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: foreign})
	require.Equal(t, codes.Unauthenticated, status.Code(err), "Auth is on")
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("app", "gateway", "token", "a token"))

	t.Run("HTTP", func(t *testing.T) {
		data, _ := c.device(foreign, 0, 0).data(ping)
		data.ServerId = ""
		out, err := a.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: data})
		require.NoError(t, err)
		require.NotEmpty(t, out.Payload)
	})
	t.Run("stream", func(t *testing.T) {
		rpc, err := a.stream.SessionDataStream(ctx)
		require.NoError(t, err)
		d := c.device(foreign, 0, foreign)
		data, _ := d.data(ping)
		answer := (&streamClient{t, rpc}).ask(&session.SessionStreamRequest{
			RequestId: "1",
			Payload:   &session.SessionStreamRequest_SendData{SendData: &session.TLSessionSendDataToSession{Data: data}},
		})
		require.NotNil(t, answer.GetAck(), "%v", answer)
		d.await("pong", func(m message) bool { return m.constructor() == pong })
	})
	t.Run("a push for a key that has moved", func(t *testing.T) {
		d := c.device(foreign, 0, foreign)
		data, id := d.data(getState)
		_, err := b.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
		require.NoError(t, err)
		d.result(id)
		a.svc.Cluster.OnGap(foreign)
		d.await("updatesTooLong", func(m message) bool { return m.constructor() == updatesTooLong })
	})
	t.Run("the end of a login", func(t *testing.T) {
		d := c.device(foreign, 0, foreign)
		data, id := d.data(getState)
		_, err := b.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
		require.NoError(t, err)
		d.result(id)
		c.auth.logOut(foreign)
		_, err = a.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{
			PermAuthKeyId: foreign, Updates: resetAuthorization(5, foreign),
		})
		require.NoError(t, err)
		d.await("updatesTooLong", func(m message) bool { return m.constructor() == updatesTooLong })
	})
}

// Load shedding is for who asks for it: a busy CPU is no reason to refuse packets
// and keys.
func TestLoadSheddingIsOffByDefault(t *testing.T) {
	for set, want := range map[int64]int64{900: 0, 0: 0, 800: 800, 999: 999} {
		c := Config{}
		c.CpuThreshold = set
		require.Equal(t, want, serverConf(c).CpuThreshold)
	}
}
