package etcdtest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Proxy stands between a client and a server. It can break their connections,
// refuse new ones, and be a server that greets its clients and then answers
// nothing.
type Proxy struct {
	to   string
	ln   net.Listener
	held atomic.Int64 // refused connections, unanswered requests

	mu    sync.Mutex
	mode  mode
	conns []net.Conn
	life  chan struct{} // of conns
}

type mode int

const (
	passing mode = iota
	refusing
	stalling
)

// NewProxy is a proxy to the server at to; it ends with the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{to: to, ln: ln, life: make(chan struct{})}
	go p.accept()
	t.Cleanup(func() {
		ln.Close()
		p.become(refusing)
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Restore takes new connections again.
func (p *Proxy) Restore() { p.become(passing) }

// Cut breaks all connections and returns when it has refused a new one.
func (p *Proxy) Cut(t testing.TB) { p.await(t, refusing, 1) }

// Stall takes new connections again, but passes on only the server's greeting.
// It returns when so many requests have been made, which are never answered.
func (p *Proxy) Stall(t testing.TB, requests int64) { p.await(t, stalling, requests) }

func (p *Proxy) await(t testing.TB, m mode, count int64) {
	t.Helper()
	p.become(m)
	require.Eventually(t, func() bool { return p.held.Load() >= count }, 20*time.Second, time.Millisecond, "nobody comes")
}

// become breaks all connections; new ones are treated as m says.
func (p *Proxy) become(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.life)
	for _, c := range p.conns {
		c.Close()
	}
	p.mode, p.conns, p.life = m, nil, make(chan struct{})
	p.held.Store(0)
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.mode == refusing {
			p.held.Add(1)
			client.Close()
		} else if server, err := net.Dial("tcp", p.to); err != nil {
			client.Close()
		} else {
			p.conns = append(p.conns, client, server)
			p.join(client, server)
		}
		p.mu.Unlock()
	}
}

// join passes on what client and server say. The lock is held.
func (p *Proxy) join(client, server net.Conn) {
	stalled, life := p.mode == stalling, p.life
	go func() {
		if stalled {
			p.requests(server, client)
		} else {
			_, _ = io.Copy(server, client)
		}
		server.Close()
	}()
	go func() {
		if stalled {
			greeting := make([]byte, 4096)
			n, _ := server.Read(greeting)
			_, _ = client.Write(greeting[:n])
			<-life
		} else {
			_, _ = io.Copy(client, server)
		}
		client.Close()
	}()
}

// requests passes HTTP/2 on and counts the headers of requests.
func (p *Proxy) requests(server io.Writer, client io.Reader) {
	const preface, frameHeader, typeHeaders = 24, 9, 1
	in := io.TeeReader(client, server)
	if _, err := io.CopyN(io.Discard, in, preface); err != nil {
		return
	}
	var head [frameHeader]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(append([]byte{0}, head[:3]...))
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return
		}
		if head[3] == typeHeaders {
			p.held.Add(1)
		}
	}
}
