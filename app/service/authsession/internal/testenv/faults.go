package testenv

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Proxy is a bad network in front of a server.
type Proxy struct {
	Address string

	// MaxDelay holds each piece of data up for a random time below it.
	MaxDelay atomic.Int64 // nanoseconds
	// Requests counts pieces of data from clients. A client that waits for
	// each answer makes one of every small request.
	Requests atomic.Int64

	target atomic.Pointer[func() string]
	stall  atomic.Pointer[func(piece []byte) time.Duration]
	down   atomic.Bool
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	work   sync.WaitGroup
}

// NewProxy starts one that lives as long as the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{Address: l.Addr().String(), conns: map[net.Conn]struct{}{}}
	p.Follow(func() string { return target })
	p.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.work.Wait()
	})
	return p
}

// Cut ends all connections and refuses new ones until Mend.
func (p *Proxy) Cut() {
	p.down.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// Lead ends all connections; new ones lead to target.
func (p *Proxy) Lead(target string) {
	p.Follow(func() string { return target })
	p.Cut()
	p.Mend()
}

// Follow makes target say where new connections lead; the others stay where they
// are, as behind a virtual address that moves.
func (p *Proxy) Follow(target func() string) { p.target.Store(&target) }

// Stall makes f say how long each piece of data from clients is held up, on
// connections made from now on. It arrives then even when its client has gone.
func (p *Proxy) Stall(f func(piece []byte) time.Duration) { p.stall.Store(&f) }

// Mend lets connections through again.
func (p *Proxy) Mend() { p.down.Store(false) }

func (p *Proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down.Load() {
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", (*p.target.Load())())
	if err != nil {
		client.Close()
		return
	}
	if !p.track(client) || !p.track(server) {
		client.Close()
		server.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, &p.Requests, p.stall.Load()) })
	both.Go(func() { p.copy(client, server, new(atomic.Int64), nil) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

func (p *Proxy) copy(to, from net.Conn, pieces *atomic.Int64, stall *func([]byte) time.Duration) {
	defer to.Close()
	defer from.Close()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if delay := p.MaxDelay.Load(); n > 0 && delay > 0 {
			time.Sleep(time.Duration(rand.Int64N(delay))) //nolint:forbidigo // the delay is what it is for
		}
		if n > 0 && stall != nil {
			time.Sleep((*stall)(piece[:n])) //nolint:forbidigo // as above
		}
		if n > 0 {
			pieces.Add(1)
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
