package gateway

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
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
