package touch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

type shared struct{ seen, claimed int64 }

// world is a clock, a Redis and a MySQL.
type world struct {
	now                  time.Time
	redis                map[int64]shared
	mysql                map[int64]Touch
	redisDown, mysqlDown bool
	shared, statements   int
}

func newWorld() *world {
	return &world{now: time.Unix(1_800_000_000, 0), redis: map[int64]shared{}, mysql: map[int64]Touch{}}
}

func (w *world) clock() time.Time { return w.now }

func (w *world) Share(_ context.Context, list []Touch, interval time.Duration) (notes []Noted, err error) {
	if w.redisDown {
		return nil, errors.New("down")
	}
	w.shared++
	for _, t := range list {
		n := w.redis[t.AuthKeyID]
		n.seen = max(n.seen, t.Seen)
		write := w.now.Unix()-n.claimed >= seconds(interval)
		if write {
			n.claimed = w.now.Unix()
		}
		w.redis[t.AuthKeyID] = n
		notes = append(notes, Noted{Seen: n.seen, Write: write})
	}
	return notes, nil
}

func (w *world) Store(_ context.Context, list []Touch) error {
	if w.mysqlDown {
		return errors.New("down")
	}
	w.statements++
	for _, t := range list {
		old := w.mysql[t.AuthKeyID]
		old.Seen = max(old.Seen, t.Seen)
		if t.IP != "" {
			old.IP = t.IP
		}
		w.mysql[t.AuthKeyID] = old
	}
	return nil
}

func (w *world) lag(id int64) time.Duration {
	return time.Duration(w.now.Unix()-w.mysql[id].Seen) * time.Second
}

var conf = Options{CacheInterval: time.Minute, DBInterval: 10 * time.Minute}

func (w *world) recorder() *Recorder { return newRecorder(w, w, conf, w.clock) }

func (w *world) touch(r *Recorder, id int64, ip string) bool {
	return r.Seen(Touch{AuthKeyID: id, Seen: w.now.Unix(), IP: ip})
}

// The trap of a throttle that measures the age of what was seen last: with
// steady traffic nothing is ever due, the row goes stale, and the session is
// taken for an idle one.
func TestASessionInSteadyUseIsNeverStale(t *testing.T) {
	for name, every := range map[string]time.Duration{"every 5 minutes": 5 * time.Minute, "every 20 seconds": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			r := w.recorder()
			const days = 40
			for start, next := w.now, w.now; w.now.Sub(start) < days*24*time.Hour; w.now = w.now.Add(20 * time.Second) {
				if !w.now.Before(next) {
					w.touch(r, 1, "")
					next = w.now.Add(every)
				}
				r.flush(t.Context(), false)
				if w.now != start {
					require.LessOrEqual(t, w.lag(1), conf.DBInterval+conf.CacheInterval+every)
				}
			}
			require.LessOrEqual(t, w.statements, days*24*6+1, "once in DBInterval")
			require.LessOrEqual(t, w.shared, days*24*60+1, "once in CacheInterval")
		})
	}
}

// Nodes come and go, Redis and MySQL fail, keys are used here and there: while
// MySQL answers, what a node that lives has seen of a key is in its row after a bound, and
// dates never move back or run ahead.
func TestRowsFollowTheirKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		nodes := []*Recorder{w.recorder(), w.recorder()}
		const step = 30 * time.Second
		seen := map[int64]int64{}            // what was ever seen of a key
		owed := [2]map[int64][]int64{{}, {}} // by node: what its life has seen, unless the row says as much
		mysqlSince := w.now
		for range rapid.IntRange(1, 600).Draw(t, "steps") {
			switch rapid.IntRange(0, 79).Draw(t, "what") {
			case 0:
				w.redisDown = !w.redisDown
			case 1:
				w.mysqlDown = !w.mysqlDown
			case 2:
				clear(w.redis) // flushed
			case 3: // a node dies, another starts
				i := rapid.IntRange(0, 1).Draw(t, "node")
				nodes[i] = w.recorder()
				clear(owed[i])
			case 4: // a node stops as it should
				i := rapid.IntRange(0, 1).Draw(t, "node")
				nodes[i].flush(context.Background(), true)
				if !w.mysqlDown {
					for id, times := range owed[i] {
						require.GreaterOrEqual(t, w.mysql[id].Seen, slices.Max(times))
					}
				}
				nodes[i] = w.recorder()
				clear(owed[i])
			default:
				i, id := rapid.IntRange(0, 1).Draw(t, "node"), rapid.Int64Range(-2, 2).Draw(t, "key")
				w.touch(nodes[i], id, "")
				seen[id] = w.now.Unix()
				owed[i][id] = append(owed[i][id], w.now.Unix())
			}
			if w.mysqlDown {
				mysqlSince = w.now.Add(step)
			}
			w.now = w.now.Add(step)
			for _, r := range nodes {
				r.flush(context.Background(), false)
			}
			bound := conf.DBInterval + 2*conf.CacheInterval + step
			for i := range owed {
				for id, times := range owed[i] {
					times = slices.DeleteFunc(times, func(at int64) bool { return at <= w.mysql[id].Seen })
					if owed[i][id] = times; len(times) == 0 {
						delete(owed[i], id)
						continue
					}
					waits := time.Duration(w.now.Unix()-times[0]) * time.Second
					if w.now.Sub(mysqlSince) > bound && waits > bound {
						t.Fatalf("key %d: its row has waited for %v", id, waits)
					}
				}
			}
			for id, row := range w.mysql {
				require.LessOrEqual(t, row.Seen, seen[id])
			}
		}
	})
}

func TestTheNodesWriteOnceTogether(t *testing.T) {
	w := newWorld()
	nodes := []*Recorder{w.recorder(), w.recorder()}
	for range 60 {
		for _, r := range nodes {
			w.touch(r, 1, "")
			r.flush(t.Context(), false)
		}
		w.now = w.now.Add(time.Minute)
	}
	require.LessOrEqual(t, w.statements, 7, "six intervals in an hour")
}

func TestOneStatementForManyKeys(t *testing.T) {
	w := newWorld()
	r := w.recorder()
	for id := range int64(3 * batchSize) {
		require.True(t, w.touch(r, id, "10.0.0.1"), "the first")
		require.False(t, w.touch(r, id, "10.0.0.1"))
	}
	r.flush(t.Context(), false)
	require.Equal(t, 3, w.statements)
	require.Len(t, w.mysql, 3*batchSize)
}

func TestANewAddressIsPassedOnWithinAMinute(t *testing.T) {
	w := newWorld()
	r := w.recorder()
	w.touch(r, 1, "10.0.0.1")
	r.flush(t.Context(), false)
	w.now = w.now.Add(2 * time.Minute)
	w.touch(r, 1, "10.0.0.2")
	r.flush(t.Context(), false)
	require.Equal(t, "10.0.0.2", w.mysql[1].IP)
}

// MySQL is away while Redis takes this node to have written: it writes later.
func TestWhatIsOwedIsWrittenLater(t *testing.T) {
	w := newWorld()
	r := w.recorder()
	w.mysqlDown = true
	w.touch(r, 1, "")
	at := w.now.Unix()
	r.flush(t.Context(), false)
	w.now = w.now.Add(time.Second)
	w.mysqlDown = false
	r.flush(t.Context(), false)
	require.Equal(t, at, w.mysql[1].Seen)
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld()
	r := w.recorder()
	r.limit = 2
	for id := range int64(10 * shardCount) {
		w.touch(r, id, "")
	}
	count := func() (n int) {
		for i := range r.shards {
			n += len(r.shards[i].entries)
		}
		return n
	}
	require.Equal(t, 2*shardCount, count())
	r.flush(t.Context(), false)
	w.now = w.now.Add(conf.DBInterval)
	r.flush(t.Context(), false)
	require.Zero(t, count(), "what is over is forgotten")
}

func TestAClockThatRunsAheadIsNotBelieved(t *testing.T) {
	w := newWorld()
	r := w.recorder()
	r.Seen(Touch{AuthKeyID: 1, Seen: w.now.Unix() + 3600})
	r.flush(t.Context(), false)
	require.Equal(t, w.now.Unix(), w.mysql[1].Seen)
}

func TestAStopWritesWhatIsLeft(t *testing.T) {
	w := newWorld()
	r := New(w, w, conf, w.clock)
	for id := range int64(1000) {
		w.touch(r, id, "")
	}
	r.Close()
	require.Len(t, maps.Collect(maps.All(w.mysql)), 1000)
}

func BenchmarkSeen(b *testing.B) {
	w := newWorld()
	r := w.recorder()
	b.ReportAllocs()
	for i := range b.N {
		r.Seen(Touch{AuthKeyID: int64(i % 100_000), Seen: w.now.Unix(), IP: "10.0.0.1"})
	}
}
