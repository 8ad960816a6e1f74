package gateway

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

func TestFifo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var f fifo
	var want []int64
	next := int64(0)
	for range 20000 {
		switch n := r.IntN(100); {
		case n == 0:
			require.Len(t, f.take(), len(want))
			want = nil
		case n < 50 && len(want) > 0:
			require.Equal(t, want[0], f.pop().AuthKeyID)
			want = want[1:]
		default:
			next++
			f.push(packet{Send: sess.Send{AuthKeyID: next}})
			want = append(want, next)
		}
		require.Equal(t, len(want), f.len())
	}
}

// One that is never empty keeps its room, and what is gone is not held.
func TestFifoDoesNotGrowWithoutNeed(t *testing.T) {
	var f fifo
	for range 10000 {
		f.push(packet{Send: sess.Send{Payload: []byte("payload")}})
		if f.len() > 5 {
			f.pop()
		}
	}
	require.LessOrEqual(t, cap(f.all), 64)
	held := 0
	for _, p := range f.all[:cap(f.all)] {
		if p.Payload != nil {
			held++
		}
	}
	require.Equal(t, f.len(), held)
}
