package floor

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/proto/gateway"
)

// gateways is the ways to all gateways, opened when they are first needed.
type gateways struct {
	unary bool

	mu    sync.RWMutex
	links map[string]*link
}

// link is the way to one gateway.
type link struct {
	rpc gateway.RPCGatewayClient

	mu     sync.Mutex // orders what is sent
	stream gateway.RPCGatewayStream_GatewayDataStreamClient
}

func (g *gateways) send(ctx context.Context, to home, payload []byte) error {
	l, err := g.link(to.server)
	if err != nil {
		return err
	}
	out := &gateway.TLGatewaySendDataToGateway{AuthKeyId: to.authKeyID, SessionId: to.session, Payload: payload}
	if g.unary {
		_, err = l.rpc.GatewaySendDataToGateway(ctx, out)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stream.Send(&gateway.GatewayStreamRequest{Payload: &gateway.GatewayStreamRequest_SendData{SendData: out}})
}

func (g *gateways) link(server string) (*link, error) {
	g.mu.RLock()
	l := g.links[server]
	g.mu.RUnlock()
	if l != nil {
		return l, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.links[server]; l != nil {
		return l, nil
	}
	conn, err := dial(server)
	if err != nil {
		return nil, err
	}
	l = &link{rpc: gateway.NewRPCGatewayClient(conn)}
	if !g.unary {
		if l.stream, err = gateway.NewRPCGatewayStreamClient(conn).GatewayDataStream(context.Background()); err != nil {
			_ = conn.Close()
			return nil, err
		}
		go func() {
			for {
				if _, err := l.stream.Recv(); err != nil {
					return
				}
			}
		}()
	}
	g.links[server] = l
	return l, nil
}

func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
}
