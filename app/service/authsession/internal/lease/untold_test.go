package lease

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// What one node could not tell Redis, another node that reaches Redis does not believe
// any more once the write has ended.
func TestNoNodeBelievesWhatWasBeforeAWriteThatHasEnded(t *testing.T) {
	for name, write := range map[string]func(one *Cache, m *miniredis.Miniredis, cut func(), fill, commit func()){
		"the hold fails": func(one *Cache, _ *miniredis.Miniredis, cut func(), _, commit func()) {
			cut()
			change(one, commit, "k")
		},
		"the hold is lost and the release fails": func(one *Cache, m *miniredis.Miniredis, cut func(), fill, commit func()) {
			w := one.Begin()
			w.Hold(context.Background(), "k")
			m.FlushAll() // as a replica that becomes the primary without the last writes
			fill()
			commit()
			cut()
			w.End(context.Background(), Written)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			network := tcpproxy.Start(t, m.Addr())
			b := &book{}
			one, two := open(t, network.Addr(), b), open(t, m.Addr(), b)
			var db atomic.Int64
			db.Store(1)
			fill := func() {
				require.EqualValues(t, 1, read(t, two, &db).N)
				require.True(t, m.Exists("k"))
			}
			fill()
			write(one, m, network.Cut, fill, func() { db.Store(2) })
			require.EqualValues(t, 2, read(t, two, &db).N)
			require.EqualValues(t, 2, read(t, one, &db).N)
		})
	}
}

// untold is a write of k on a node that is cut off from Redis: the hold was made, the
// release was not.
func untold(t *testing.T, c *Cache, network *tcpproxy.Proxy) *Untold {
	w := c.Begin()
	require.Empty(t, w.Hold(t.Context(), "k"))
	network.Cut()
	u := w.Release(t.Context(), Written)
	require.NotNil(t, u)
	return u
}

// waits begins a wait that lasts until something ends it.
func waits(ctx context.Context, u *Untold) (done chan struct{}) {
	u.ended, u.listed = time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	done = make(chan struct{})
	go func() {
		defer close(done)
		u.Wait(ctx)
	}()
	return done
}

func ends(t *testing.T, done chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it still waits")
	}
}

// A wait is over when somebody has released the keys, when nobody waits any more, and
// when the cache is closed.
func TestWhatEndsAWait(t *testing.T) {
	for name, end := range map[string]func(c *Cache, network *tcpproxy.Proxy, cancel func()){
		"this node releases": func(_ *Cache, network *tcpproxy.Proxy, _ func()) { network.Restore() },
		"another node does": func(c *Cache, network *tcpproxy.Proxy, _ func()) {
			b := c.ledger.(*book)
			entries, _ := b.Listed(context.Background(), maxListed)
			for _, e := range entries {
				_ = b.Forget(context.Background(), []int64{e.ID})
			}
		},
		"the caller gives up": func(_ *Cache, _ *tcpproxy.Proxy, cancel func()) { cancel() },
		"the cache is closed": func(c *Cache, _ *tcpproxy.Proxy, _ func()) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			network := tcpproxy.Start(t, m.Addr())
			c := open(t, network.Addr(), &book{})
			u := untold(t, c, network)
			require.Empty(t, u.rest)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := waits(ctx, u)
			select {
			case <-done:
				t.Fatal("it does not wait")
			case <-time.After(2 * period): // looks that find the key in the ledger
			}
			end(c, network, cancel)
			ends(t, done)
		})
	}
}

// Neither a dead Redis nor a database that fails after the COMMIT holds a write for
// longer than the bound.
func TestAWaitIsBounded(t *testing.T) {
	m := miniredis.RunT(t)
	network := tcpproxy.Start(t, m.Addr())
	b := &book{}
	c := open(t, network.Addr(), b)
	w := c.Begin()
	require.Empty(t, w.Hold(t.Context(), "k"))
	network.Cut()
	b.set(true)
	began := time.Now()
	w.End(t.Context(), Written)
	require.GreaterOrEqual(t, time.Since(began), waitBound)
	require.Less(t, time.Since(began), 2*waitBound)
	require.True(t, c.owes("k"), "it goes on in the background")
}

// What the database does not take right after the COMMIT is offered again, and then waited
// for.
func TestAWaitFindsTheLedger(t *testing.T) {
	m := miniredis.RunT(t)
	network := tcpproxy.Start(t, m.Addr())
	b := &book{}
	c := open(t, network.Addr(), b)
	w := c.Begin()
	require.Empty(t, w.Hold(t.Context(), "k"))
	network.Cut()
	b.set(true)
	u := w.Release(t.Context(), Written)
	require.Equal(t, []string{"k"}, u.rest)
	b.set(false)
	began := time.Now()
	u.Wait(t.Context())
	require.GreaterOrEqual(t, time.Since(began), period+noticed, "it counts from when the ledger has it")
	require.Empty(t, u.rest)
	require.Positive(t, b.len())
}

// Writes wait beside each other, whatever their number of keys.
func TestWritesWaitBesideEachOther(t *testing.T) {
	m := testenv.MiniRedis(t)
	c := open(t, m.Addr(), &book{})
	m.Close()
	writes := func() time.Duration {
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				keys := make([]string, 20)
				for k := range keys {
					keys[k] = fmt.Sprintf("%d-%d", i, k)
				}
				change(c, func() {}, keys...)
			})
		}
		wg.Wait()
		return time.Since(began)
	}
	require.GreaterOrEqual(t, writes(), noticed)
	// One that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool { return writes() < 2*noticed }, time.Minute, time.Millisecond)
}

// Looks go on while what a former one has found takes its time.
func TestALookDoesNotWaitForWhatIsDone(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	c := open(t, m.Addr(), b)
	goOn := make(chan struct{})
	defer close(goOn)
	hangs := make(chan struct{}, 1)
	b.onForget(func() {
		select {
		case hangs <- struct{}{}:
		default:
		}
		<-goOn
	})
	require.NoError(t, b.Remember(t.Context(), []string{"a"}))
	<-hangs
	require.NoError(t, b.Remember(t.Context(), []string{"b"}))
	require.Eventually(t, func() bool { return c.owes("b") }, time.Minute, 5*time.Millisecond)
}

// A look that is overtaken by a later one does not take back what that has found.
func TestAnOvertakenLook(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	c := open(t, m.Addr(), b)
	m.SetError("NOREPLICAS")
	began, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.onListed(func() {
		close(began)
		<-goOn
	})
	go func() {
		defer close(done)
		c.list(context.Background())
	}()
	<-began
	require.NoError(t, b.Remember(t.Context(), make([]string, maxListed)))
	require.Eventually(t, func() bool { return c.owes("k") }, time.Minute, 5*time.Millisecond)
	close(goOn)
	<-done
	require.True(t, c.owes("k"))
}

// What a ledger holds that is longer than a look reads is not known to be released.
func TestALongLedgerEndsNoWait(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	c := open(t, m.Addr(), b)
	m.SetError("NOREPLICAS")
	require.NoError(t, b.Remember(t.Context(), make([]string, maxListed)))
	w := c.Begin()
	missed := w.Hold(t.Context(), "k")
	require.NoError(t, b.Remember(t.Context(), missed))
	require.NotNil(t, w.Release(t.Context(), Written))
	require.Eventually(t, func() bool {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return c.debts["k"] == nil
	}, time.Minute, 5*time.Millisecond, "it is not among those that are read")
	_, owed := c.owesAny([]string{"k"})
	require.True(t, owed)
}
