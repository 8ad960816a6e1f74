package gateway

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/gateway"
)

// Whatever becomes of a packet, its room is held while it may be sent, once more perhaps,
// and left once. What its gateway got is what was in the room all the time.
func TestPacketsLeaveTheirRoom(t *testing.T) {
	const packets = 20
	body := bytes.Repeat([]byte("body"), 20_000)
	for name, c := range map[string]struct {
		streams func(*peer) gateway.RPCGatewayStreamServer
		peer    func(*peer)
		options func(*Options)
		failed  bool
		kept    bool // by gRPC, which frees nothing of a stream that has broken
	}{
		"answered":                 {streams: withStreams},
		"refused":                  {streams: withStreams, peer: func(p *peer) { p.refuse = true }, failed: true},
		"calls":                    {},
		"refused calls":            {peer: func(p *peer) { p.refuse = true }, failed: true},
		"calls after all":          {options: func(o *Options) { o.Mode = Auto }},
		"never answered":           {streams: silentStreams, options: func(o *Options) { o.AckTimeout = 50 * time.Millisecond }},
		"a stream that breaks":     {streams: withStreams, peer: func(p *peer) { p.limit = 7 }, kept: true},
		"nobody has streams":       {options: func(o *Options) { o.Mode = Stream }, failed: true},
		"no room in the queue":     {streams: withStreams, options: func(o *Options) { o.QueueItems = 0 }, failed: true},
		"a gateway that is closed": {streams: withStreams, peer: func(p *peer) { p.server.Stop() }, options: func(o *Options) { o.Retry = 0 }, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			// gRPC forgets to free a message now and then, when an answer comes while it is
			// being sent.
			for left, attempt := false, 0; !left; attempt++ {
				require.Less(t, attempt, 20, "the room is never left")
				p := (&peer{}).start(t, c.streams)
				if c.peer != nil {
					c.peer(p)
				}
				g, f := newGateways(t, func(o *Options) {
					if c.options != nil {
						c.options(o)
					}
				})
				tail, room := buffers.NewRoom(len(body))
				tail = append(tail, body...)
				for n := range uint64(packets) {
					s := packetFor(p.addr, 1, n)
					s.Tail, s.Room = tail, room
					room.Hold()
					g.Send(1, s)
				}
				require.NoError(t, g.Flush(t.Context()))
				for until := time.Now().Add(time.Second); !left && time.Now().Before(until); time.Sleep(time.Millisecond) {
					left = room.Holders() == 1
				}
				g.Close()
				require.GreaterOrEqual(t, room.Holders(), 1)
				require.Equal(t, c.failed, f.count() > 0)
				p.mu.Lock()
				for _, got := range append(p.stream, p.unary...) {
					require.True(t, bytes.HasSuffix(got.GetPayload(), body))
				}
				p.mu.Unlock()
				left = left || c.kept
			}
		})
	}
}
