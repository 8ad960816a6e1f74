package session

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/tgsession/tgsession/proto/session"
)

// What the table says a running node takes is what it takes.
func TestReload(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	conf := c.config()
	d := c.login(n, permA, 77)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	routed := func() bool {
		before := c.bff.count("/mtproto.RPCUsers/users_getUsers")
		d.result(n.send(t, d, getUsers))
		return c.bff.count("/mtproto.RPCUsers/users_getUsers") > before
	}
	require.True(t, routed())

	var live []string
	for _, row := range new(Config).Table() {
		if row.Reload != 0 {
			live = append(live, row.Key)
		}
	}
	require.Equal(t, []string{"Log.Level", "BFFProxyClients.IDMap", "AllowPeers"}, live, "each has its part below; the level's is in rpcserver and in cmd/authsession")

	t.Run("IDMap", func(t *testing.T) {
		all := conf.BFFProxyClients.IDMap
		conf.BFFProxyClients.IDMap = map[string]string{}
		for group, client := range all {
			if group != "/mtproto.RPCUsers" {
				conf.BFFProxyClients.IDMap[group] = client
			}
		}
		require.NoError(t, n.Reload(conf))
		require.False(t, routed())
		conf.BFFProxyClients.IDMap = all
		require.NoError(t, n.Reload(conf))
		require.True(t, routed())
	})
	t.Run("AllowPeers", func(t *testing.T) {
		c.auth.add(permB, 0, 0)
		conn := callFrom(t, n, "127.0.0.2")
		ask := func() error {
			_, err := session.NewRPCSessionClient(conn).SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: permB})
			return err
		}
		stream, err := session.NewRPCSessionStreamClient(conn).SessionDataStream(t.Context())
		require.NoError(t, err)
		say := func() error {
			_ = stream.Send(&session.SessionStreamRequest{RequestId: "1", Payload: &session.SessionStreamRequest_QueryAuthKey{
				QueryAuthKey: &session.TLSessionQueryAuthKey{AuthKeyId: permB},
			}})
			_, err := stream.Recv()
			return err
		}
		require.NoError(t, ask())
		require.NoError(t, say())
		conf.AllowPeers = []string{"127.0.0.1"}
		require.NoError(t, n.Reload(conf))
		requireStatus(t, ask(), codes.PermissionDenied, "PEER_NOT_ALLOWED")
		requireStatus(t, say(), codes.PermissionDenied, "PEER_NOT_ALLOWED")
		conf.AllowPeers = []string{"nobody"}
		require.Error(t, n.Reload(conf))
		requireStatus(t, ask(), codes.PermissionDenied, "PEER_NOT_ALLOWED")
		conf.AllowPeers = nil
		require.NoError(t, n.Reload(conf))
		require.NoError(t, ask())
	})
}
