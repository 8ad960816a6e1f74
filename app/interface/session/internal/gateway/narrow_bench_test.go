package gateway

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkBesideBulkyPackets is how long small packets of one key take to a gateway while
// other keys have megabytes on their way, as many as fit: the network takes 100 MB/s.
//
//	go test -run '^$' -bench BesideBulkyPackets -benchtime 300x ./app/interface/session/internal/gateway
func BenchmarkBesideBulkyPackets(b *testing.B) {
	const keys, pause = 4, 5 * time.Millisecond
	p := (&peer{}).start(b, withStreams)
	addr := narrow(b, p.addr, 100e6)
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

// narrow is a way to an address that takes so many bytes a second, whatever the number of
// connections.
func narrow(tb testing.TB, to string, rate float64) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = listener.Close() })
	var mu sync.Mutex
	var free time.Time
	pass := func(bytes int) {
		mu.Lock()
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(time.Duration(float64(bytes) / rate * float64(time.Second)))
		ahead := time.Until(free)
		mu.Unlock()
		if ahead > time.Millisecond { // timers are no finer
			time.Sleep(ahead)
		}
	}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(in, out)
				_ = in.Close()
			}()
			go func() {
				defer out.Close()
				b := make([]byte, 16<<10)
				for {
					n, err := in.Read(b)
					if err != nil {
						return
					}
					pass(n)
					if _, err := out.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}
