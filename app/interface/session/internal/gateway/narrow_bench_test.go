package gateway

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// BenchmarkBesideBulkyPackets is how long small packets of one key take to a gateway while
// other keys have megabytes on their way, as many as fit: the network takes 100 MB/s.
//
//	go test -run '^$' -bench BesideBulkyPackets -benchtime 300x ./app/interface/session/internal/gateway
func BenchmarkBesideBulkyPackets(b *testing.B) {
	const keys, pause = 4, 5 * time.Millisecond
	p := (&peer{}).start(b, withStreams)
	network := tcpproxy.Start(b, p.addr)
	network.Stall(narrow(100e6))
	addr := network.Addr()
	g, _ := newGateways(b)
	g.Send(1, packetFor(addr, 1, 0))
	require.NoError(b, g.Flush(b.Context())) // it answers
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		tick := time.NewTicker(3 * pause)
		defer tick.Stop()
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				large := packetFor(addr, 2+int64(n%keys), n)
				large.Tail = make([]byte, 1<<20)
				g.Send(large.SessionID, large)
			}
		}
	})
	var took []float64
	for n := uint64(1); b.Loop(); n++ {
		begun := time.Now()
		g.Send(1, packetFor(addr, 1, n))
		eventually(b, "it is there", func() bool { return p.has(1, n) })
		took = append(took, time.Since(begun).Seconds())
		time.Sleep(pause)
	}
	close(stop)
	busy.Wait()
	_, large := p.got()
	slices.Sort(took)
	b.ReportMetric(float64(large)/b.Elapsed().Seconds(), "MiB/s")
	b.ReportMetric(1e3*took[len(took)/2], "p50-ms")
	b.ReportMetric(1e3*took[len(took)*99/100], "p99-ms")
}

// has reports whether the newest packet on the stream is the n-th of a session.
func (p *peer) has(session int64, n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.stream[len(p.stream)-1]
	return last.SessionId == session && number(last) == n
}

// narrow is how long a piece of data waits on a way that takes so many bytes a second,
// whatever the number of connections (tcpproxy.Proxy.Stall).
func narrow(rate float64) func(piece []byte) time.Duration {
	var mu sync.Mutex
	var free time.Time
	return func(piece []byte) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(time.Duration(float64(len(piece)) / rate * float64(time.Second)))
		if ahead := time.Until(free); ahead > time.Millisecond { // timers are no finer
			return ahead
		}
		return 0
	}
}
