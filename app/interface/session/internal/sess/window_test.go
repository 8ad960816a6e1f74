package sess

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The window remembers like a plain map does, at least the newest it was told
// to.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const limit = 16
		young := time.Duration(rapid.IntRange(0, 10_000).Draw(r, "young")) * time.Millisecond
		var w window
		all := map[int64]received{}
		now := epoch
		for range rapid.IntRange(1, 200).Draw(r, "messages") {
			now += int64(rapid.IntRange(0, 100).Draw(r, "ms")) * int64(time.Millisecond)
			id := idAt(now) + int64(rapid.IntRange(-500, 0).Draw(r, "offset"))*(1<<32)/1000&^3
			if w.find(id) != nil {
				require.Equal(r, all[id].seq, w.find(id).seq)
				continue
			}
			rec := received{id: id, seq: int32(len(all)), state: stateReceived}
			all[id] = rec
			w.insert(now, rec)
			w.trim(limit, idAt(now-int64(young)))
			require.LessOrEqual(r, len(w.ids), windowSpan*limit+limit/8)
			require.True(r, w.floor < idAt(now-int64(young)) || len(w.ids) >= windowSpan*limit, "forgotten while it is young")
		}
		require.True(r, slices.IsSortedFunc(w.ids, func(a, b received) int { return int(min(max(a.id-b.id, -1), 1)) }))
		require.GreaterOrEqual(r, len(w.ids), min(limit, len(all)))
		for id, rec := range all {
			got := w.find(id)
			switch {
			case got != nil:
				require.Equal(r, rec, *got)
				require.Equal(r, stateReceived, w.status(id))
			case len(w.ids) > 0:
				require.LessOrEqual(r, id, w.floor)
				require.True(r, w.forgot(id), "known not to be known")
				require.Equal(r, stateForgotten, w.status(id))
			}
		}
	})
}

func TestWindowStatus(t *testing.T) {
	var w window
	require.Equal(t, stateAbove, w.status(100))
	for _, id := range []int64{100, 200} {
		w.insert(0, received{id: id, state: stateReceived | stateNoAck})
	}
	for id, want := range map[int64]uint8{96: stateForgotten, 100: 20, 104: stateMissing, 200: 20, 204: stateAbove} {
		require.Equal(t, want, w.status(id), id)
	}
	w.drop(2)
	require.Equal(t, stateForgotten, w.status(200))
	require.Equal(t, stateAbove, w.status(204))
}

func TestWindowDisorder(t *testing.T) {
	var w window
	for id, seq := range map[int64]int32{100: 1, 200: 4, 300: 5} {
		w.insert(0, received{id: id, seq: seq})
	}
	for _, c := range []struct {
		id   int64
		seq  int32
		want int
	}{
		{150, 3, 0},
		{150, 2, 0},
		{150, 4, 0},
		{150, 1, -1},
		{150, 0, -1},
		{150, 5, 1},
		{250, 4, 0},
		{250, 5, 1},
		{400, 7, 0},
		{400, 6, 0},
		{400, 5, -1},
		{400, 4, -1},
		{50, 0, 0},
		{50, 1, 1},
		{50, 2, 1},
	} {
		require.Equal(t, c.want, w.disorder(c.id, c.seq), "%+v", c)
	}
}

// A session that does little keeps little.
func TestWindowStaysSmall(t *testing.T) {
	var w window
	now := epoch
	for range 10_000 {
		now += int64(time.Minute)
		w.insert(now, received{id: idAt(now)})
		w.trim(400, idAt(now-int64(5*time.Minute)))
	}
	require.LessOrEqual(t, cap(w.ids), 32)
	for i := range int64(400) {
		w.insert(now, received{id: idAt(now) + i*4 + 4})
	}
	now += int64(time.Hour)
	w.rest(now)
	require.LessOrEqual(t, cap(w.ids), 8)
	require.NotZero(t, w.floor)
}
