package session

import (
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/session"
)

// countingGateway has streams and counts pongs.
type countingGateway struct {
	gateway.UnimplementedRPCGatewayStreamServer
	pongs atomic.Int64
}

func (g *countingGateway) GatewayDataStream(s gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for {
		in, err := s.Recv()
		if err != nil {
			return err
		}
		for _, m := range messages(in.GetSendData().GetPayload()) {
			if m.constructor() == pong {
				g.pongs.Add(1)
			}
		}
		if err := s.Send(&gateway.GatewayStreamResponse{Success: true}); err != nil {
			return err
		}
	}
}

// BenchmarkPing is the whole way of a packet and its answer through a node:
// from a gateway's stream to a gateway's stream, over loopback, with both
// gateways in the same process.
func BenchmarkPing(b *testing.B) {
	c := startCluster(b)
	gate := &countingGateway{}
	c.serve("gateway", func(g *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(g, gate) })
	n := c.start()
	const keys = 64
	var devices [keys]*device
	for i := range devices {
		id := int64(1000 + i)
		c.auth.add(id, 0, 0)
		devices[i] = c.device(id, 0, id)
	}
	s := openStream(b, n)
	go func() {
		for {
			if _, err := s.rpc.Recv(); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		data, _ := devices[i%keys].data(ping)
		s.send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{
			SendData: &session.TLSessionSendDataToSession{Data: data}}})
		if i%1024 == 0 { // at most so many on the way
			eventually(b, "pongs", func() bool { return gate.pongs.Load() >= int64(i-1024) })
		}
	}
	eventually(b, "pongs", func() bool { return gate.pongs.Load() >= int64(b.N) })
}
