package sim

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/proto/tl"
)

func TestMain(m *testing.M) {
	logx.Disable()
	buffers.Watch()
	leaktest.Main(m)
}

func schemaOf(t testing.TB) *tl.Schema {
	t.Helper()
	s, err := loadSchema()
	require.NoError(t, err)
	return s
}

func fromEnv(name string, otherwise uint64) uint64 {
	v, err := strconv.ParseUint(cmp.Or(os.Getenv(name), strconv.FormatUint(otherwise, 10)), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return v
}

// The machine serves BFFs of the oldest release whose table set is shipped, too.
func TestTheOldestRelease(t *testing.T) {
	releases := tl.Releases()
	schema, err := tl.Load(releases[len(releases)-1])
	require.NoError(t, err)
	for seed := uint64(1); seed <= 3; seed++ {
		if f := Run(seed, schema, Options{}).Failure; f != nil {
			require.Fail(t, report(f))
		}
	}
}

// TestSeeds runs SIM_SEEDS seeds from SIM_START on, as many at a time as there
// are processors. `make sim` calls it with many; without being told it takes
// few. SIM_TRACE prints everything that happens.
func TestSeeds(t *testing.T) {
	start, seeds := fromEnv("SIM_START", 1), fromEnv("SIM_SEEDS", 3)
	schema := schemaOf(t)
	o := Options{}
	if os.Getenv("SIM_TRACE") != "" {
		o.Trace = os.Stdout
	}
	var next, finished, steps atomic.Uint64
	var virtual atomic.Int64
	var failed atomic.Pointer[FailureError]
	goOn := os.Getenv("SIM_ALL") != ""
	next.Store(start)
	began, mu, said := time.Now(), sync.Mutex{}, time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for goOn || failed.Load() == nil {
				seed := next.Add(1) - 1
				if seed >= start+seeds {
					return
				}
				r := Run(seed, schema, o)
				if r.Failure != nil {
					failed.CompareAndSwap(nil, r.Failure)
					fmt.Println(r.Failure)
					continue
				}
				finished.Add(1)
				steps.Add(uint64(r.Steps))
				virtual.Add(int64(r.Time))
				mu.Lock()
				if time.Since(said) > 10*time.Second {
					said = time.Now()
					fmt.Printf("%d of %d seeds (to %d) in %v\n", finished.Load(), seeds, seed, time.Since(began).Round(time.Second))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if f := failed.Load(); f != nil {
		t.Fatal(report(f))
	}
	t.Logf("%d seeds from %d on, %d steps, %v of virtual time, in %v: every invariant held", finished.Load(), start, steps.Load(),
		time.Duration(virtual.Load()).Round(time.Minute), time.Since(began).Round(100*time.Millisecond))
}

// report is what a failing seed prints.
func report(f *FailureError) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n\nWhat led to it:\n", f)
	for _, s := range f.Steps {
		fmt.Fprintln(&b, " ", s)
	}
	fmt.Fprintf(&b, "\nReplay it with\n  make sim START=%d SEEDS=1 SIM_TRACE=1\n", f.Seed)
	return b.String()
}

// A seed decides everything, also while other runs go on beside it.
func TestDeterminism(t *testing.T) {
	schema := schemaOf(t)
	hashes := map[uint64]bool{}
	for seed := range uint64(5) {
		first := Run(seed, schema, Options{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { assert.Equal(t, first, Run(seed, schema, Options{})) })
		}
		wg.Wait()
		hashes[first.Hash] = true
	}
	require.Len(t, hashes, 5)
}

// What is simulated happens, and happens often: a simulation that avoids what
// is difficult proves nothing.
func TestEverythingHappens(t *testing.T) {
	happened := map[string]int{}
	for seed := range uint64(120) {
		r := Run(seed+1, schemaOf(t), Options{})
		if r.Failure != nil {
			t.Fatal(report(r.Failure))
		}
		for what, n := range r.Happened {
			happened[what] += n
		}
	}
	for _, what := range []string{
		"joins", "leaves", "crashes", "stands still", "is away", "drains", "is back", "came early", "adopts sessions", "revokes", "removes a key", "binds", "logs in", "ends a login", "tells of an ended login",
		"refuses a call", "loses a call", "never answers a call", "breaks off a call",
		"is redirected", "is sent on", "is told that a mailbox is full", "is told that a key is unknown", "hears that a packet failed",
		"takes update", "takes a session's update", "takes a promised result", "gives up its temp key", "destroys a session", "rests", "stays to log in again",
		"is told of a new session", "is corrected", "rpc_drop_answer",
		"is let go by etcd", "is listed again", "finds nobody to push to", "forgets everything", "forgets a key", "is asked for what it does not have", "is introduced", "is forgotten", "is asked for", "arrives",
		register, "stores a session for push messages", "is woken", "opens a session that is to be woken", "pushes a notification",
		"sends a copy", "tells of all messages", "tells of a message", "is told of a large answer", "does not know a call",
		"plays a packet again", "ends a temp key", "has its clock set back", "has its clock set forth",
		doneByOneThatCrashed, doneBeforeItMoved, "listens", "is not reached", "hears that a reader is gone",
		"MSG_WAIT_TIMEOUT", "MSG_WAIT_FAILED", "FLOOD_WAIT_1", "AUTH_KEY_UNREGISTERED", "Timeout",
		"bad_salt", "bad_too_low", "bad_too_high", "duplicates", "repeated", "pushes_lost", "held_dropped", "lenient_salt", "overload",
		"unknown", "undecodable", "gzip_saved_bytes", "sessions_gone", "results_orphan", "refused",
	} {
		require.GreaterOrEqual(t, happened[what], 10, what)
	}
	require.NotZero(t, happened["is absent"], "under siege alone, and with a connection")
	require.NotZero(t, happened["is told of a large message"], "clients that come back get it first")
	require.NotZero(t, happened["is to renew what it does not have"], "a node that was told so announces the key, as a rule")
}
