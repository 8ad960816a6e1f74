//go:build !race

// The race detector makes sync.Pool forget.
package unary

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/passthrough"
)

// A peer that is not gRPC's, which allocates for each call what it allocates.
func TestAllocationsOfACall(t *testing.T) {
	c := startFake(t, func(f *fake, stream uint32) { f.answer(stream, "reply", "0", "") })
	o, ok := plain([]grpc.CallOption{grpc.ForceCodecV2(passthrough.Codec)})
	require.True(t, ok)
	var args any = passthrough.Frame("request")
	var reply passthrough.Frame
	n := testing.AllocsPerRun(1000, func() {
		if err := c.invoke(t.Context(), method, args, &reply, o); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%v allocations, the peer's included", n)
	require.LessOrEqual(t, n, 16.0)
}
