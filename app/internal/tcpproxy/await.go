package tcpproxy

import "time"

// TB is what the proxy needs of a testing.TB. It is spelled out since the lab is linked without package testing.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// longest is how long a test waits for a client.
const longest = 20 * time.Second

// Start is New for a test: the proxy is closed when the test ends.
func Start(t TB, to string) *Proxy {
	t.Helper()
	p, err := New(to)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// CutSeen is Cut, and returns when a client has seen it: when a new connection
// was broken. The test fails when none comes for 20 s.
func (p *Proxy) CutSeen(t TB) {
	t.Helper()
	p.await(t, 1, &p.refused, p.Cut)
}

// Silence breaks all connections and takes new ones, but passes only the
// server's greeting on to their clients, which have to speak HTTP/2 without TLS,
// as gRPC's do. The server hears them. Silence returns when they have made so
// many requests, which are never answered; the test fails when they make fewer
// in 20 s.
func (p *Proxy) Silence(t TB, requests int64) {
	t.Helper()
	p.await(t, requests, &p.silenced, func() {
		p.Cut()
		p.become(silent)
	})
}

// await begins a fault, and returns when counter has grown by n since.
func (p *Proxy) await(t TB, n int64, counter *int64, begin func()) {
	t.Helper()
	p.mu.Lock()
	until := *counter + n
	p.mu.Unlock()
	begin()
	late := time.After(longest)
	for {
		p.mu.Lock()
		now, grown := *counter, p.grown
		p.mu.Unlock()
		if now >= until {
			return
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("tcpproxy: %d clients or requests are missing after %v", until-now, longest)
			return
		}
	}
}

// count adds one to a counter that await looks at. The caller holds p.mu.
func (p *Proxy) count(counter *int64) {
	*counter++
	close(p.grown)
	p.grown = make(chan struct{})
}
