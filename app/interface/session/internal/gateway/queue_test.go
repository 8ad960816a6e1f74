package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

func packetOf(owner int64, number uint64, size int) packet {
	return packet{owner: owner, Send: sess.Send{SessionID: int64(number), Payload: make([]byte, size)}}
}

// A client that asked for megabytes had the small packets of all others wait behind them.
func TestSmallPacketsDoNotWaitBehindLargeOnes(t *testing.T) {
	for name, c := range map[string]struct {
		heavy  int // keys
		window bool
	}{
		"one key":               {1, false},
		"one key, with answers": {1, true},
		"ten keys":              {10, false},
	} {
		t.Run(name, func(t *testing.T) {
			var q queue
			for n := range uint64(7) {
				for owner := range int64(c.heavy) {
					q.push(packetOf(owner, n, 1<<20))
				}
			}
			for small := range uint64(100) {
				q.push(packetOf(100+int64(small), small, 100))
				p, ok := q.next(c.window)
				require.True(t, ok)
				require.GreaterOrEqual(t, p.owner, int64(100), "it leaves next")
				if p, ok := q.next(c.window); ok {
					require.Less(t, p.owner, int64(100))
				}
			}
		})
	}
}

// What is on its way is before whoever comes next: of one key it is little, until the
// gateway has answered.
func TestOneKeyHasLittleOnItsWay(t *testing.T) {
	var q queue
	q.push(packetOf(1, 0, 10))
	for n := range uint64(20) {
		q.push(packetOf(1, 1+n, 100<<10))
	}
	var way []packet
	for p, ok := q.next(true); ok; p, ok = q.next(true) {
		way = append(way, p)
	}
	require.Len(t, way, 4)
	require.False(t, q.arrived(way[0]), "a little room is none")
	require.True(t, q.arrived(way[1]), "the key can send again")
	p, ok := q.next(true)
	require.True(t, ok)
	require.EqualValues(t, 4, p.SessionID)
	_, ok = q.next(true)
	require.False(t, ok)
	_, ok = q.next(false)
	require.False(t, ok, "it has no turn while it waits for answers")
	q.push(packetOf(1, 21, 1))
	p, ok = q.next(false)
	require.True(t, ok)
	require.EqualValues(t, 5, p.SessionID, "a gateway that answers nothing gets all")
}

// Keys that all have much get about as much each, whatever the size of their packets.
func TestKeysShareByBytes(t *testing.T) {
	var q queue
	sizes := []int{200, 5000, 60_000, 1 << 20}
	for owner, size := range sizes {
		for n := range 40 << 20 / size {
			q.push(packetOf(int64(owner), uint64(n), size))
		}
	}
	sent := make([]int, len(sizes))
	for total := 0; total < 80<<20; {
		p, ok := q.next(false)
		require.True(t, ok)
		sent[p.owner] += len(p.Payload)
		total += len(p.Payload)
		require.LessOrEqual(t, slices.Max(sent)-slices.Min(sent), 2<<20, "at %d", total)
	}
}

// Whatever is pushed leaves once, the packets of a key in order, and the books are right;
// at the end nothing is kept.
func TestQueueKeepsOrderAndBooks(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var q queue
		var way []packet
		number := uint64(0)
		due := map[int64][]int64{} // by owner, what has not left
		left := func(p packet) {
			require.NotEmpty(t, due[p.owner])
			require.Equal(t, due[p.owner][0], p.SessionID)
			due[p.owner] = due[p.owner][1:]
			way = append(way, p)
		}
		for range 3000 {
			switch n := r.IntN(100); {
			case n < 45:
				p := packetOf(r.Int64N(6), number, r.IntN([]int{10, 10_000, 400_000}[r.IntN(3)]))
				number++
				due[p.owner] = append(due[p.owner], p.SessionID)
				q.push(p)
			case n < 80:
				if p, ok := q.next(r.IntN(4) > 0); ok {
					left(p)
				}
			case n < 98 && len(way) > 0:
				p := way[0]
				way = way[1:]
				q.arrived(p)
			case n == 98:
				for _, p := range slices.Backward(way) { // before what waits
					due[p.owner] = slices.Insert(due[p.owner], 0, p.SessionID)
				}
				q.back(way)
				way = nil
			case n == 99:
				for _, p := range q.take() {
					left(p)
				}
			}
			var want load
			for _, p := range way {
				want.items, want.bytes = want.items+1, want.bytes+len(p.Payload)
			}
			for owner, own := range q.keys {
				require.Len(t, due[owner], own.waiting.len())
				for i := own.waiting.head; i < len(own.waiting.all); i++ {
					want.items, want.bytes = want.items+1, want.bytes+len(own.waiting.all[i].Payload)
				}
			}
			require.Equal(t, want, q.load)
		}
		for len(way) > 0 || q.items > 0 {
			p, ok := q.next(true)
			if ok {
				left(p)
				continue
			}
			require.NotEmpty(t, way, "what waits has a turn once answers have come")
			q.arrived(way[0])
			way = way[1:]
		}
		_, ok := q.next(true)
		require.False(t, ok)
		require.Empty(t, q.keys)
		require.Zero(t, q.load)
		require.LessOrEqual(t, len(q.spare), keptBacklogs)
	}
}
