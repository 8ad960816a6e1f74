package gateway

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// picky is a gateway without streams that has trouble with the client of session 1 alone.
type picky struct {
	gateway.UnimplementedRPCGatewayServer
	code          codes.Code // what its calls end with; OK: they hang
	tried, others atomic.Int64
}

func (p *picky) GatewaySendDataToGateway(ctx context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	if in.SessionId == 1 {
		p.tried.Add(1)
		if p.code != codes.OK {
			return nil, status.Error(p.code, "not now")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p.others.Add(1)
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// A packet whose call alone failed was tried without end while the calls of others went well,
// and whatever shared its lane waited behind it.
func TestACallThatAloneFailsIsGivenUp(t *testing.T) {
	for name, code := range map[string]codes.Code{"it hangs": codes.OK, "it says so": codes.Unavailable} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &picky{code: code}
				const timeout, retry = 2 * time.Second, 10 * time.Second
				g, f := newGateways(t, inMemory(t, func(s *grpc.Server) { gateway.RegisterRPCGatewayServer(s, p) }),
					func(o *Options) { o.Mode, o.Timeout, o.Retry = Unary, timeout, retry })
				g.Update([]string{"gateway"})
				const hung, sent = 5, 2000
				for n := range uint64(hung) {
					g.Send(1, packetFor("gateway", 1, n))
				}
				for session := range int64(sent) { // some share its lane
					g.Send(2+session, packetFor("gateway", 2+session, 0))
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(retry + maxBackoff + hung*timeout - sent*10*time.Millisecond)
				require.Equal(t, hung, f.count())
				require.EqualValues(t, sent, p.others.Load(), "whatever shares the lane has its turn")
				require.Greater(t, p.tried.Load(), int64(hung), "it may come back")
				require.LessOrEqual(t, p.tried.Load(), int64(retry/maxBackoff)+hung+5)
			})
		})
	}
}
