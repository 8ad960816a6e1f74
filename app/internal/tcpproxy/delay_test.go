package tcpproxy_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// What is held up comes late, and all of it comes.
func TestDelay(t *testing.T) {
	const delay = 50 * time.Millisecond
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	for _, tc := range []struct {
		name  string
		delay time.Duration
	}{{"held up", delay}, {"not any more", 0}} {
		t.Run(tc.name, func(t *testing.T) {
			p.Delay(tc.delay)
			begin := time.Now()
			say(t, c, "two")
			hear(t, c, "two")
			require.GreaterOrEqual(t, time.Since(begin), 2*tc.delay, "there and back")
		})
	}
}

// Each piece is held up by a random time, and all of them come.
func TestJitter(t *testing.T) {
	const pieces, most = 20, 10 * time.Millisecond
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	p.Jitter(most)
	begin := time.Now()
	for range pieces {
		say(t, c, "piece")
		hear(t, c, "piece")
	}
	// There and back they are 40 delays of 5 ms on average: 200 ms with a standard deviation of 18 ms.
	require.Greater(t, time.Since(begin), 80*time.Millisecond)
	p.Jitter(0)
	say(t, c, "last")
	hear(t, c, "last")
}

// Only what clients say is asked about, and only what the function names waits,
// on connections that stand, too.
func TestStall(t *testing.T) {
	const long = 50 * time.Millisecond
	p := tcpproxy.Start(t, echo(t))
	slow, fast := dial(t, p), dial(t, p)
	asked := make(chan string, 10)
	goOn := make(chan struct{})
	p.Stall(func(piece []byte) time.Duration {
		asked <- string(piece)
		if string(piece) != "slow" {
			return 0
		}
		<-goOn
		return long
	})
	say(t, slow, "slow")
	require.Equal(t, "slow", <-asked)
	say(t, fast, "fast")
	hear(t, fast, "fast")
	require.Equal(t, "fast", <-asked)
	begin := time.Now()
	close(goOn)
	hear(t, slow, "slow")
	require.GreaterOrEqual(t, time.Since(begin), long)
	require.Empty(t, asked, "nobody asks about what the server says")
}

// What is stalled reaches the server after its client has gone.
func TestStalledPieceOutlivesItsClient(t *testing.T) {
	heard := make(chan string, 1)
	p := tcpproxy.Start(t, serve(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		heard <- string(all)
	}))
	gone := make(chan struct{})
	p.Stall(func([]byte) time.Duration { <-gone; return 0 })
	c := dial(t, p)
	say(t, c, "last words")
	require.NoError(t, c.Close())
	close(gone)
	require.Equal(t, "last words", <-heard)
}
