package admin

import (
	"context"
	"crypto/tls"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

const (
	overGRPC = "grpc"

	maxRequest = 64 << 10 // bytes, of a gRPC message
	maxHeaders = 32 << 10
	maxStreams = 100 // calls at a time on a connection
)

// grpcOptions bound what a client may send, before anybody knows who it is.
func grpcOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(maxRequest), grpc.MaxHeaderListSize(maxHeaders), grpc.MaxConcurrentStreams(maxStreams)}
}

// grpcCredentials are nil where nothing is encrypted.
func (g *guard) grpcCredentials(current func() *tls.Config) credentials.TransportCredentials {
	if c := g.checkClients(current, overGRPC, "h2"); c != nil {
		return credentials.NewTLS(c)
	}
	return nil
}

// intercept has the guard serve the call.
func (g *guard) intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	name, ours := strings.CutPrefix(info.FullMethod, "/"+pb.SessionAdmin_ServiceDesc.ServiceName+"/")
	request, isMessage := in.(proto.Message)
	if _, known := methods[name]; !ours || !known || !isMessage {
		return nil, rpcerr.ErrNoSuchMethod
	}
	from := origin{
		transport: overGRPC, authorization: metadata.ValueFromIncomingContext(ctx, "authorization"),
		key:      metadata.ValueFromIncomingContext(ctx, idempotencyKey),
		repeated: func() { _ = grpc.SetHeader(ctx, metadata.Pairs(idempotencyReplayed, "true")) },
	}
	if p, ok := peer.FromContext(ctx); ok {
		from.ip = address(p.Addr.String())
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			from.certificate = verified(&info.State)
		}
	}
	out, err := g.do(ctx, name, from,
		func() (proto.Message, error) { return request, nil },
		func(ctx context.Context, in proto.Message) (proto.Message, error) {
			out, err := handle(ctx, in)
			message, _ := out.(proto.Message)
			return message, err
		})
	if err != nil {
		return nil, partial(err, endedIn(request, out))
	}
	return out, nil
}
