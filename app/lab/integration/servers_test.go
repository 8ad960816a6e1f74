package integration

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tgsession/tgsession/app/lab/integration/servers"
)

// built holds the binaries under test.
var built servers.Binaries

func TestMain(m *testing.M) {
	// Tests that share a cluster mostly wait; -parallel on the command line
	// still wins.
	_ = flag.Set("test.parallel", "16")
	code := servers.Main(m, &built)
	if complaints := endShared(); complaints != "" {
		fmt.Fprintln(os.Stderr, complaints)
		code = max(code, 1)
	}
	os.Exit(code)
}

// stores are the real servers of a test, and what is started on them.
type stores struct{ *servers.Servers }

func startServers(t testing.TB) *stores {
	t.Helper()
	return &stores{servers.Start(t)}
}

// eventually polls until ok answers true, and fails the test after a minute:
// that is for a busy machine, no test waits so long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyIn(t, time.Minute, what, ok)
}

// eventuallyIn is eventually for what takes so long even where nothing else runs.
func eventuallyIn(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
}
