package gateway

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	gatewaypb "github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// rpcServer is what session nodes call.
type rpcServer struct {
	gatewaypb.UnimplementedRPCGatewayServer
	gatewaypb.UnimplementedRPCGatewayStreamServer
	gw *Gateway
}

// GatewaySendDataToGateway answers boolFalse when no connection serves the
// session.
func (s *rpcServer) GatewaySendDataToGateway(_ context.Context, q *gatewaypb.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	if s.gw.deliver(q) {
		return &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}, nil
	}
	return &mtproto.Bool{PredicateName: "boolFalse", Constructor: mtproto.TLConstructor_CRC32_boolFalse}, nil
}

// GatewayDataStream acknowledges each request; a stream does not tell whether
// anybody was there.
func (s *rpcServer) GatewayDataStream(stream grpc.BidiStreamingServer[gatewaypb.GatewayStreamRequest, gatewaypb.GatewayStreamResponse]) error {
	for {
		q, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if d := q.GetSendData(); d != nil {
			s.gw.deliver(d)
		}
		if err := stream.Send(&gatewaypb.GatewayStreamResponse{RequestId: q.GetRequestId(), Success: true}); err != nil {
			return err
		}
	}
}

// deliver gives a payload to every connection of its session.
func (g *Gateway) deliver(q *gatewaypb.TLGatewaySendDataToGateway) bool {
	key, conns := g.hub.find(sessionKey{q.GetAuthKeyId(), q.GetSessionId()})
	for _, c := range conns {
		c.deliver(key, q.GetPayload())
	}
	return len(conns) > 0
}
