package core

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/proto/authsession"
)

// headers is a gRPC call of which the response headers matter.
type headers struct {
	grpc.ServerTransportStream
	sent grpcmetadata.MD
}

func (h *headers) SetHeader(md grpcmetadata.MD) error {
	h.sent = grpcmetadata.Join(h.sent, md)
	return nil
}

// Who remembers a bound temp key is told when it ends: session served it for a
// minute longer.
func TestTheEndOfAKeyIsTold(t *testing.T) {
	c := start(t)
	perm, unbound, temp := c.key(0, 0), c.key(1, 60), c.key(1, 86400)
	in := c.bindRequest(perm, temp, nil)
	_, err := c.on(0).AuthsessionBindTempAuthKey(in)
	require.NoError(t, err)
	until := strconv.Itoa(int(in.ExpiresAt))
	for name, ask := range map[string]func(*Core, int64) error{
		"getPermAuthKeyId": func(c *Core, id int64) error {
			_, err := c.AuthsessionGetPermAuthKeyId(&authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: id})
			return err
		},
		"queryAuthKey": func(c *Core, id int64) error {
			_, err := c.AuthsessionQueryAuthKey(query(id))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := func(id int64) []string {
				h := &headers{}
				_ = ask(New(grpc.NewContextWithServerTransportStream(t.Context(), h), c.nodes[0]), id)
				return h.sent.Get(authsession.ExpiresAtHeader)
			}
			require.Equal(t, []string{until}, told(temp.IntID()))
			require.Empty(t, told(perm.IntID()), "it does not end")
			require.Empty(t, told(12345))
			if name == "getPermAuthKeyId" {
				require.Empty(t, told(unbound.IntID()), "refused")
			}
		})
	}
}
