package allow

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

func TestList(t *testing.T) {
	for name, tc := range map[string]struct {
		list    []string
		in, out []string
	}{
		"everyone":      {nil, []string{"10.0.0.1", "2001:db8::1"}, nil},
		"an address":    {[]string{"10.0.0.7"}, []string{"10.0.0.7", "::ffff:10.0.0.7"}, []string{"10.0.0.8", "::1"}},
		"a network":     {[]string{"10.1.2.3/8"}, []string{"10.255.0.1"}, []string{"11.0.0.1"}},
		"two, with six": {[]string{"127.0.0.1", "2001:db8::/32"}, []string{"127.0.0.1", "2001:db8:1::5"}, []string{"2001:db9::1"}},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Parse(tc.list)
			require.NoError(t, err)
			for _, a := range tc.in {
				require.True(t, list.Has(netip.MustParseAddr(a)), a)
			}
			for _, a := range tc.out {
				require.False(t, list.Has(netip.MustParseAddr(a)), a)
			}
		})
	}
	for _, bad := range []string{"", "host", "10.0.0.0/33", "10.0.0.1:20450", "fe80::1%eth0"} {
		_, err := Parse([]string{bad})
		require.Error(t, err, bad)
	}
}

func TestIntercept(t *testing.T) {
	list, err := Parse([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	call := func(ctx context.Context, list List, method string) codes.Code {
		_, err := list.Intercept(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) { return nil, nil })
		ofStream := list.InterceptStream(nil, stream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: method}, func(any, grpc.ServerStream) error { return nil })
		require.Equal(t, err, ofStream)
		return status.Code(err)
	}
	from := func(a net.Addr) context.Context { return peer.NewContext(t.Context(), &peer.Peer{Addr: a}) }
	near := from(&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5})
	far := from(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5})
	const query, health = "/authsession.RPCAuthsession/authsession_queryAuthKey", "/grpc.health.v1.Health/Check"
	require.Equal(t, codes.OK, call(near, list, query))
	require.Equal(t, codes.PermissionDenied, call(far, list, query))
	require.Equal(t, codes.OK, call(far, list, health))
	require.Equal(t, codes.OK, call(far, nil, query))
	require.Equal(t, codes.PermissionDenied, call(t.Context(), list, query), "who cannot be told is not let in")
	require.Equal(t, codes.PermissionDenied, call(from(&net.UnixAddr{Name: "/x"}), list, query))
}

// stream is one whose peer is known.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }
