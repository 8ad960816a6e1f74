package gateway

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/gateway"
)

// Whatever becomes of a packet, its room is held while it may be sent, once more perhaps,
// and left once. What its gateway got is what was in the room all the time.
func TestPacketsLeaveTheirRoom(t *testing.T) {
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
			// being sent: on one core often enough that of many messages it always forgets one.
			left, packets := false, 20
			for attempt := 0; !left; attempt, packets = attempt+1, (packets+1)/2 {
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
				for n := range packets {
					s := packetFor(p.addr, 1, uint64(n))
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

// Rooms are used again as soon as they are left. Whatever way packets go, what arrives is
// what was in their own.
func TestNoPacketBringsWhatIsAnothers(t *testing.T) {
	const packets, keys = 120, 4
	for name, c := range map[string]struct {
		streams func(*peer) gateway.RPCGatewayStreamServer
		peer    *peer
		options func(*Options)
	}{
		"streams and calls":        {streams: withStreams, peer: &peer{}},
		"streams alone":            {streams: withStreams, peer: &peer{noCalls: true}},
		"calls alone":              {peer: &peer{}},
		"refused":                  {streams: withStreams, peer: &peer{refuse: true}},
		"streams that break":       {streams: withStreams, peer: &peer{limit: 5}},
		"never answered":           {streams: silentStreams, peer: &peer{}, options: func(o *Options) { o.AckTimeout = 20 * time.Millisecond }},
		"calls that end too early": {streams: withStreams, peer: &peer{}, options: func(o *Options) { o.Timeout = time.Millisecond }},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.peer.start(t, c.streams)
			g, _ := newGateways(t, func(o *Options) {
				if o.QueueBytes = 1 << 30; c.options != nil {
					c.options(o)
				}
			})
			for n := range uint64(packets) {
				s := packetFor(p.addr, int64(n%keys), n)
				size := 1 + rand.IntN(20<<10)
				if rand.IntN(4) == 0 {
					size = bulky + rand.IntN(bulky)
				}
				tail, room := buffers.NewRoom(size)
				tail = append(tail, bytes.Repeat([]byte{byte(n)}, size)...)
				s.Tail, s.Room = tail, room
				g.Send(int64(n%keys), s)
			}
			require.NoError(t, g.Flush(t.Context()))
			g.Close()
			p.server.Stop()
			for _, in := range p.order {
				body := in.Payload[8:]
				require.Equal(t, len(body), bytes.Count(body, []byte{byte(number(in))}), "packet %d", number(in))
			}
		})
	}
}
