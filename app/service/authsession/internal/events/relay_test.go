package events

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// bench is a database, a Redis, and a stream of a name of its own on it.
type bench struct {
	t      *testing.T
	db     *sql.DB
	conf   Options
	redis  string
	client *redis.Client
}

func newBench(t *testing.T, redisAddress string) *bench {
	b := &bench{
		t: t, db: testenv.Open(t, testenv.DSN(t, true)), redis: redisAddress,
		conf:   Options{Stream: "test:" + newID(), MaxLen: 1_000_000, Poll: 10 * time.Millisecond, Batch: 7, Retain: time.Hour},
		client: redis.NewClient(&redis.Options{Addr: redisAddress}),
	}
	t.Cleanup(func() {
		b.client.Del(context.Background(), b.conf.Stream, "relay{"+b.conf.Stream+"}", "published{"+b.conf.Stream+"}")
		b.client.Close()
	})
	return b
}

func (b *bench) ring() *redisring.Ring {
	ring := redisring.New(testenv.Config("", b.redis).KV)
	b.t.Cleanup(func() { ring.Close() })
	return ring
}

// relay starts a node's.
func (b *bench) relay() *worker.Worker {
	r := StartRelay(b.db, b.ring(), b.conf)
	b.t.Cleanup(func() { <-r.Stop() })
	return r
}

// idle is a relay whose loop does not run, for the test to call.
func (b *bench) idle() *relay { return &relay{db: b.db, ring: b.ring(), conf: b.conf} }

func event(n int) Event {
	return Event{Type: Changed, At: time.Unix(int64(n), 0), Session: Snapshot{Hash: int64(n), UserID: 777}}
}

// write commits events of the given numbers, each in a transaction of its own.
func (b *bench) write(numbers ...int) {
	b.t.Helper()
	for _, n := range numbers {
		require.NoError(b.t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, event(n)) }))
	}
}

func (b *bench) transact(fn func(context.Context, sqlx.Session) error) error {
	return sqlx.NewSqlConnFromDB(b.db).TransactCtx(b.t.Context(), fn)
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

// entries reads the stream: ids of events and the numbers of their sessions.
func (b *bench) entries() (ids, hashes []string) {
	b.t.Helper()
	list, err := b.client.XRange(b.t.Context(), b.conf.Stream, "-", "+").Result()
	require.NoError(b.t, err)
	for _, m := range list {
		var e envelope
		require.NoError(b.t, json.Unmarshal([]byte(m.Values["event"].(string)), &e))
		require.Equal(b.t, m.Values["id"], e.ID)
		require.Equal(b.t, m.Values["type"], e.Type)
		ids = append(ids, e.ID)
		hashes = append(hashes, fmt.Sprint(e.Session.Hash))
	}
	return ids, hashes
}

func texts(numbers []int) (list []string) {
	for _, n := range numbers {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

func (b *bench) waiting() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow("SELECT COUNT(*) FROM session_events WHERE published_no = 0").Scan(&n))
	return n
}

// kept counts events that were published.
func (b *bench) kept() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow("SELECT COUNT(*) FROM session_events WHERE published_no > 0").Scan(&n))
	return n
}

func (b *bench) drained() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.waiting() == 0 }, time.Minute, 5*time.Millisecond)
}

func TestEventsArePublishedInOrder(t *testing.T) {
	b := newBench(t, testenv.Variable(t, "TEST_REDIS_ADDR"))
	b.write(upTo(50)...) // several batches
	b.relay()
	b.relay() // of another node
	b.drained()
	b.write(51, 52)
	b.drained()
	_, hashes := b.entries()
	require.Equal(t, texts(upTo(52)), hashes)
}

func TestAnEventIsThereIfItsChangeIs(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	err := b.transact(func(ctx context.Context, tx sqlx.Session) error {
		require.NoError(t, Append(ctx, tx, event(1)))
		return errors.New("rolled back")
	})
	require.EqualError(t, err, "rolled back")
	require.Zero(t, b.waiting())
	many := make([]Event, 3*insertBatch+1)
	for i := range many {
		many[i] = event(i)
	}
	require.NoError(t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, many...) }))
	require.Equal(t, len(many), b.waiting())
}

// Redis goes away with events waiting, more come, it comes back: all are
// published, once each, in order.
func TestAnOutageOfRedisDelaysEventsOnly(t *testing.T) {
	m := miniredis.RunT(t)
	b := newBench(t, m.Addr())
	b.relay()
	b.write(1, 2)
	b.drained()
	m.SetError("LOADING away")
	b.write(3, 4, 5)
	require.Never(t, func() bool { return b.waiting() < 3 }, 100*time.Millisecond, 10*time.Millisecond)
	b.write(6)
	m.SetError("")
	b.drained()
	_, hashes := b.entries()
	require.Equal(t, texts(upTo(6)), hashes)
}

// A Redis that lost everything, the relay's token too, is served again.
func TestAFlushedRedisIsServedAgain(t *testing.T) {
	m := miniredis.RunT(t)
	b := newBench(t, m.Addr())
	r := b.idle()
	s, err := openStream(t.Context(), r.ring, b.conf.Stream, 100)
	require.NoError(t, err)
	m.FlushAll()
	batch := []row{{EventID: "a", Type: Changed, Body: "{}"}}
	require.ErrorIs(t, s.publish(t.Context(), 1, batch), errChanged)
	require.NoError(t, s.publish(t.Context(), 1, batch))
	require.NoError(t, s.publish(t.Context(), 1, batch), "a script that go-redis repeats adds nothing")
	n, err := b.client.XLen(t.Context(), b.conf.Stream).Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// A relay dies after it published and before it took the events off: they come
// again, with their ids.
func TestRepeatedEventsKeepTheirIDs(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	b.write(1, 2, 3)
	r := b.idle()
	s, err := openStream(t.Context(), r.ring, b.conf.Stream, 100)
	require.NoError(t, err)
	list, err := oldest(t.Context(), b.db, 2)
	require.NoError(t, err)
	require.NoError(t, s.publish(t.Context(), 1, list))

	b.relay()
	b.drained()
	ids, hashes := b.entries()
	require.Equal(t, []string{"1", "2", "1", "2", "3"}, hashes)
	require.Equal(t, ids[:2], ids[2:4])
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 3)
}

// A relay was cut off while it was asleep; when it wakes, another one has
// published what it is about to, and more. Nothing old may come after the new.
func TestARelayThatWasReplacedPublishesNothing(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	b.write(1, 2)
	asleep := b.idle()
	lock, err := dblock.Take(t.Context(), b.db, lockName)
	require.NoError(t, err)
	s, err := openStream(t.Context(), asleep.ring, b.conf.Stream, 100)
	require.NoError(t, err)
	list, err := oldest(t.Context(), b.db, 10)
	require.NoError(t, err)
	require.Len(t, list, 2)

	require.NoError(t, b.idle().drain(t.Context()))
	require.Equal(t, 2, b.waiting(), "whoever holds the lock is left alone")
	b.write(3)
	heir := b.idle()
	require.Eventually(t, func() bool {
		testenv.EndLease(t, b.db, lockName)
		return heir.drain(t.Context()) == nil && b.waiting() == 0
	}, 20*time.Second, 5*time.Millisecond)

	require.ErrorIs(t, s.publish(t.Context(), 1, list), errFenced)
	b.write(4)
	late, err := openStream(t.Context(), asleep.ring, b.conf.Stream, 100)
	require.NoError(t, err)
	_, err = asleep.step(lock.Fenced(t.Context()), late)
	require.ErrorIs(t, err, dblock.ErrTaken, "nor may it take events off")
	require.Equal(t, 1, b.waiting())
	lock.Release()
	_, hashes := b.entries()
	require.Equal(t, []string{"1", "2", "3", "4"}, hashes)
}

// What is under way is finished and taken off: a stop repeats nothing.
func TestAStoppedRelayLeavesTheRestToOthers(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	b.conf.Batch = 1
	b.write(upTo(200)...)
	r := b.relay()
	require.Eventually(t, func() bool { return b.waiting() < 200 }, time.Minute, time.Millisecond)
	<-r.Stop()
	left := b.waiting()
	_, hashes := b.entries()
	require.Len(t, hashes, 200-left)
	b.relay()
	b.drained()
	_, hashes = b.entries()
	require.Equal(t, texts(upTo(200)), hashes)
}

// forget takes Redis back to a dump of when the stream had n entries.
func (b *bench) forget(n int, marker string) {
	b.t.Helper()
	ctx := b.t.Context()
	list, err := b.client.XRange(ctx, b.conf.Stream, "-", "+").Result()
	require.NoError(b.t, err)
	require.NoError(b.t, b.client.Del(ctx, b.conf.Stream, "relay{"+b.conf.Stream+"}", "published{"+b.conf.Stream+"}").Err())
	for _, m := range list[:n] {
		require.NoError(b.t, b.client.XAdd(ctx, &redis.XAddArgs{Stream: b.conf.Stream, ID: m.ID, Values: m.Values}).Err())
	}
	if marker != "" {
		require.NoError(b.t, b.client.Set(ctx, "published{"+b.conf.Stream+"}", marker, 0).Err())
	}
}

// A Redis that comes back without what it had taken, be it all or the end of it, is
// told again, in order and before anything newer. It never was.
func TestARedisThatForgotIsToldAgain(t *testing.T) {
	for name, forget := range map[string]func(b *bench, marker string){
		"a dump of before":            func(b *bench, marker string) { b.forget(14, marker) },
		"an empty Redis":              func(b *bench, _ string) { b.forget(0, "") },
		"a stream that was deleted":   func(b *bench, _ string) { b.client.Del(b.t.Context(), b.conf.Stream) },
		"while more are on their way": func(b *bench, marker string) { b.write(21, 22); b.forget(14, marker) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, testenv.Variable(t, "TEST_REDIS_ADDR"))
			r := b.idle()
			b.write(upTo(14)...)
			require.NoError(t, r.drain(t.Context()))
			marker, err := b.client.Get(t.Context(), "published{"+b.conf.Stream+"}").Result()
			require.NoError(t, err)
			b.write(15, 16, 17, 18, 19, 20)
			require.NoError(t, r.drain(t.Context()))
			ids, _ := b.entries()
			require.Len(t, ids, 20)
			forget(b, marker)
			require.NoError(t, r.drain(t.Context()))
			again, hashes := b.entries()
			require.Equal(t, ids, again[:20], "with the same ids, in the same order")
			if len(hashes) > 20 {
				require.Equal(t, []string{"21", "22"}, hashes[20:])
			}
			require.NoError(t, r.drain(t.Context()))
			once, _ := b.entries()
			require.Equal(t, again, once)
		})
	}
}

// Redis goes back to its dump between two batches of a relay: the batch after does
// not hide what is missing before it.
func TestABatchDoesNotHideAGap(t *testing.T) {
	b := newBench(t, testenv.Variable(t, "TEST_REDIS_ADDR"))
	r := b.idle()
	b.write(upTo(7)...)
	require.NoError(t, r.drain(t.Context()))
	b.write(8, 9)
	lock, err := dblock.Take(t.Context(), b.db, lockName)
	require.NoError(t, err)
	defer lock.Release()
	s, err := openStream(t.Context(), r.ring, b.conf.Stream, 100)
	require.NoError(t, err)
	b.forget(0, "")
	_, err = r.step(lock.Fenced(t.Context()), s)
	require.ErrorIs(t, err, errChanged)
	for more := true; more; {
		more, err = r.step(lock.Fenced(t.Context()), s)
		require.NoError(t, err)
	}
	_, hashes := b.entries()
	require.Equal(t, texts(upTo(9)), hashes)
}

// What was published stays for Retain, and about as many events as the stream
// holds; the last batch stays for its number.
func TestPublishedEventsStayForAWhile(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	r := b.idle()
	b.write(upTo(21)...)
	require.NoError(t, r.drain(t.Context()))
	prune := func() {
		more, err := r.prune(t.Context())
		require.NoError(t, err)
		require.False(t, more)
	}
	prune()
	require.Equal(t, 21, b.kept())
	r.conf.MaxLen = 14
	prune()
	require.Equal(t, 14, b.kept(), "batches go as a whole")
	r.conf.Retain = -time.Second
	prune()
	require.Equal(t, 7, b.kept(), "the last batch")
	r.conf.MaxLen = b.conf.MaxLen
	b.write(22)
	require.NoError(t, r.drain(t.Context()))
	_, hashes := b.entries()
	require.Equal(t, texts(upTo(22)), hashes)
}

func TestTheStreamIsTrimmed(t *testing.T) {
	b := newBench(t, testenv.Variable(t, "TEST_REDIS_ADDR"))
	b.conf.MaxLen, b.conf.Batch = 100, 500
	many := make([]Event, 2000)
	for i := range many {
		many[i] = event(i)
	}
	require.NoError(t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, many...) }))
	b.relay()
	b.drained()
	n, err := b.client.XLen(t.Context(), b.conf.Stream).Result()
	require.NoError(t, err)
	require.Less(t, n, int64(400), "Redis trims whole nodes of a hundred")
	require.GreaterOrEqual(t, n, int64(100))
}

func TestNoRelayWithoutAStream(t *testing.T) {
	r := StartRelay(nil, nil, Options{})
	require.Nil(t, r)
	<-r.Stop()
}
