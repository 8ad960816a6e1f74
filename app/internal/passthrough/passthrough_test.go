package passthrough

import (
	"bytes"
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

// A reply is read where it came in, until it is freed.
func TestReplies(t *testing.T) {
	conn := echo(t)
	for name, want := range map[string][]byte{"short": []byte("message"), "long": bytes.Repeat([]byte("message "), 100_000), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			var got Reply
			require.NoError(t, conn.Invoke(t.Context(), "/any.Service/any_method", Frame(want), &got, grpc.ForceCodecV2(Codec)))
			require.Equal(t, string(want), string(got.Bytes()))
			require.NotNil(t, got.Room())
			got.Room().Free()
		})
	}
	var middling Reply
	parts := mem.BufferSlice{mem.SliceBuffer(make([]byte, 20<<10)), mem.SliceBuffer(make([]byte, 20<<10))}
	require.NoError(t, Codec.Unmarshal(parts, &middling))
	require.Less(t, cap(middling.Bytes()), 64<<10, "it holds little more than it has")
	middling.Room().Free()
	require.Empty(t, new(Reply).Bytes())
	require.Nil(t, new(Reply).Room())

	var whole Reply
	room := append(make([]byte, 0, 4096), "message"...)
	data := mem.BufferSlice{mem.NewBuffer(&room, mem.DefaultBufferPool())}
	require.NoError(t, Codec.Unmarshal(data, &whole))
	data.Free()
	require.Same(t, &room[0], &whole.Bytes()[0], "nothing was copied")
	whole.Room().Free()
}

// A message that is nobody else's is taken without a copy, with no room to grow into what
// stands behind it; one that goes back to a pool is copied.
func TestWhatIsCopied(t *testing.T) {
	room := []byte("message and more")
	pooled := append(make([]byte, 0, 4096), "message"...) // short ones come from no pool
	for name, c := range map[string]struct {
		data   mem.BufferSlice
		origin []byte
		copied bool
	}{
		"its own":   {mem.BufferSlice{mem.SliceBuffer(room[:7])}, room, false},
		"in parts":  {mem.BufferSlice{mem.SliceBuffer(room[:3]), mem.SliceBuffer(room[3:7])}, room, true},
		"of a pool": {mem.BufferSlice{mem.NewBuffer(&pooled, mem.DefaultBufferPool())}, pooled, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got Frame
			require.NoError(t, Codec.Unmarshal(c.data, &got))
			require.Equal(t, "message", string(got))
			require.Equal(t, c.copied, &got[0] != &c.origin[0])
			if !c.copied {
				require.Equal(t, len(got), cap(got))
			}
		})
	}
}
