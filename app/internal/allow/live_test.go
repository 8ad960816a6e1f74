package allow

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// messages is a stream of a peer that always has something to say.
type messages struct {
	grpc.ServerStream
	ctx context.Context
}

func (m messages) Context() context.Context { return m.ctx }
func (m messages) RecvMsg(any) error        { return nil }

// Who is taken off the list has nothing more to say, on a stream that is open neither.
func TestAListThatIsReplaced(t *testing.T) {
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP("10.0.0.7"), Port: 1}})
	parse := func(texts ...string) List {
		list, err := Parse(texts)
		require.NoError(t, err)
		return list
	}
	var live Live
	call := func() error {
		_, err := live.Intercept(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/a/b"}, func(context.Context, any) (any, error) { return nil, nil })
		return err
	}
	open := func(handler grpc.StreamHandler) error {
		return live.InterceptStream(nil, messages{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: "/a/c"}, handler)
	}
	require.NoError(t, call(), "no list lets all in")
	require.NoError(t, open(func(_ any, stream grpc.ServerStream) error {
		require.NoError(t, stream.RecvMsg(nil))
		live.Set(parse("10.0.0.0/8"))
		require.NoError(t, stream.RecvMsg(nil), "it is on the new list")
		live.Set(parse("10.0.0.8"))
		require.Equal(t, codes.PermissionDenied, status.Code(stream.RecvMsg(nil)))
		live.Set(nil)
		require.NoError(t, stream.RecvMsg(nil))
		return nil
	}))
	live.Set(parse("10.0.0.8"))
	require.Equal(t, codes.PermissionDenied, status.Code(call()))
	require.Equal(t, codes.PermissionDenied, status.Code(open(nil)))
	live.Set(parse("10.0.0.7"))
	require.NoError(t, call())
}
