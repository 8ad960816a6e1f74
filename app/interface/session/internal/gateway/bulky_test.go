package gateway

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/buffers"
)

// A packet of a megabyte held up the packets of everybody else on the stream, by 5 to 10 ms
// each time.
func TestNobodyWaitsForABulkyPacket(t *testing.T) {
	p := (&peer{hold: make(chan struct{})}).start(t, withStreams)
	g, f := newGateways(t)
	g.Send(1, packetFor(p.addr, 1, 0))
	require.NoError(t, g.Flush(t.Context())) // it answers
	large := packetFor(p.addr, 1, 1)
	large.Tail = make([]byte, bulky)
	g.Send(1, large)
	g.Send(1, packetFor(p.addr, 1, 2)) // of the same key: it keeps its order
	for n := range uint64(100) {
		g.Send(2, packetFor(p.addr, 2, n))
	}
	eventually(t, "all others are there", func() bool {
		stream, _ := p.got()
		return stream == 101
	})
	close(p.hold)
	require.NoError(t, g.Flush(t.Context()))
	stream, unary := p.got()
	require.Equal(t, []int{102, 1}, []int{stream, unary})
	require.Zero(t, f.count())
}

// Whatever way packets go, those of a key arrive in order, each once.
func TestBulkyPacketsKeepTheirPlace(t *testing.T) {
	const keys, packets = 5, 60
	for name, c := range map[string]struct {
		streamsAlone bool
		mode         Mode
		calls        bool
	}{
		"a gateway with both":               {calls: true},
		"a gateway with streams alone":      {streamsAlone: true},
		"a gateway that is to have streams": {mode: Stream},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&peer{noCalls: c.streamsAlone}).start(t, withStreams)
			g, f := newGateways(t, func(o *Options) { o.Mode, o.QueueBytes = c.mode, 1<<30 })
			for n := range uint64(packets) {
				for key := range int64(keys) {
					s := packetFor(p.addr, key, n)
					if rand.IntN(4) == 0 {
						s.Tail = make([]byte, bulky+rand.IntN(bulky))
					}
					g.Send(key, s)
				}
			}
			require.NoError(t, g.Flush(t.Context()))
			next := map[int64]uint64{}
			for _, in := range p.order {
				require.Equal(t, next[in.SessionId], number(in))
				next[in.SessionId]++
			}
			for key := range int64(keys) {
				require.EqualValues(t, packets, next[key])
			}
			_, unary := p.got()
			require.Equal(t, c.calls, unary > 0)
			require.Zero(t, f.count())
		})
	}
}

// A packet whose call was not answered in time counted as lost, and its client as offline,
// or was sent again and again over a way that was slow already. The stream has room for it.
func TestABulkyPacketWhoseCallFailsGoesOnTheStream(t *testing.T) {
	for name, listed := range map[string]bool{"a gateway that etcd lists": true, "one that it does not": false} {
		t.Run(name, func(t *testing.T) {
			p := (&peer{hold: make(chan struct{})}).start(t, withStreams)
			g, f := newGateways(t, func(o *Options) { o.Timeout, o.Retry = 50*time.Millisecond, time.Hour })
			if listed {
				g.Update([]string{p.addr})
			}
			g.Send(1, packetFor(p.addr, 1, 0))
			require.NoError(t, g.Flush(t.Context())) // it answers
			tail, room := buffers.NewRoom(bulky)
			large := packetFor(p.addr, 1, 1)
			large.Tail, large.Room = tail[:bulky], room
			room.Hold()
			g.Send(1, large)
			g.Send(1, packetFor(p.addr, 1, 2)) // it keeps its order
			require.NoError(t, g.Flush(t.Context()))
			stream, unary := p.got()
			require.Equal(t, []int{3, 0}, []int{stream, unary})
			for i, in := range p.stream {
				require.EqualValues(t, i, number(in))
			}
			require.Zero(t, f.count())
			eventually(t, "its room is left", func() bool { return room.Holders() == 1 })
			require.Zero(t, g.links[p.addr].downSince, "it was there all the time")
		})
	}
}

// A call may end when its link is closed and has reported what waited: then it reports
// its packet itself.
func TestAClosedLinkTakesNoPacketBack(t *testing.T) {
	p := (&peer{}).start(t, withStreams)
	g, _ := newGateways(t)
	g.Send(1, packetFor(p.addr, 1, 0))
	require.NoError(t, g.Flush(t.Context()))
	l := g.links[p.addr]
	g.Close()
	require.False(t, l.byStream(packet{owner: 1}, status.Error(codes.Unimplemented, "")))
}
