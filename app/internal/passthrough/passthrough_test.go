package passthrough

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
)

// echo is a server of every method that sends back what it gets.
func echo(t *testing.T) *grpc.ClientConn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(grpc.ForceServerCodecV2(Codec), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var in Frame
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		return stream.SendMsg(&in)
	}))
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestFramesPassThroughAsTheyAre(t *testing.T) {
	conn := echo(t)
	for name, want := range map[string][]byte{"no protobuf at all": {0xff, 0xff, 0xff}, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			var got Frame
			require.NoError(t, conn.Invoke(context.Background(), "/any.Service/any_method", Frame(want), &got, grpc.ForceCodecV2(Codec)))
			require.Equal(t, want, append([]byte{}, got...))
		})
	}
}

func TestMessagesArePlainProtobuf(t *testing.T) {
	var reply grpc_health_v1.HealthCheckResponse
	require.NoError(t, echo(t).Invoke(t.Context(), grpc_health_v1.Health_Check_FullMethodName,
		&grpc_health_v1.HealthCheckRequest{}, &reply, grpc.ForceCodecV2(Codec)))
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, reply.Status)
	require.Equal(t, "proto", Codec.Name())
}

func TestAFrameIsNoPlaceToReceiveInto(t *testing.T) {
	require.Error(t, Codec.Unmarshal(mem.BufferSlice{}, Frame(nil)))
}
