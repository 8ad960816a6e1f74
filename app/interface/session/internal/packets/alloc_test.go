//go:build !race

// The race detector makes sync.Pool forget.
package packets

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/session"
)

func TestAllocations(t *testing.T) {
	out, reply := &Out{AuthKeyID: 1, SessionID: 2, Payload: make([]byte, 200)}, &Reply{RequestID: "id"}
	in, answer := new(In), new(Answer)
	packet, done := pieces(generated(t, request(packet)), false), pieces(generated(t, &gateway.GatewayStreamResponse{Success: true}), false)
	pushed := pieces(generated(t, &session.SessionStreamRequest{RequestId: "id", Payload: &session.SessionStreamRequest_PushUpdates{PushUpdates: updates}}), false)
	for name, c := range map[string]struct {
		most float64
		f    func()
	}{
		"a packet out":       {1, func() { free(Codec.Marshal(out)) }},
		"an acknowledgment":  {1, func() { free(Codec.Marshal(reply)) }},
		"a packet in":        {5, func() { _ = Codec.Unmarshal(packet, in) }}, // itself, its payload, three strings
		"updates":            {3, func() { _ = Codec.Unmarshal(pushed, in) }}, // themselves, their bytes, the request's id
		"a gateway's answer": {0, func() { _ = Codec.Unmarshal(done, answer) }},
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, c.f), c.most, name)
	}
}

func free(b mem.BufferSlice, err error) {
	if err != nil {
		panic(err)
	}
	b.Free()
}
