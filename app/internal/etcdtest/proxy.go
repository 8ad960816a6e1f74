package etcdtest

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// Proxy stands between a client and a server. It can break their connections,
// refuse new ones, and be a server that greets its clients and then answers
// nothing.
type Proxy struct {
	*tcpproxy.Proxy
	unanswered atomic.Int64 // requests
}

// NewProxy is a proxy to the server at to; it ends with the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	p, err := tcpproxy.New(to)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return &Proxy{Proxy: p}
}

// Cut breaks all connections and returns when it has refused a new one.
func (p *Proxy) Cut(t testing.TB) {
	t.Helper()
	before := p.Refused()
	p.Proxy.Cut()
	await(t, func() bool { return p.Refused() > before })
}

// Stall takes new connections again, but passes on only the server's greeting.
// It returns when so many requests have been made, which are never answered.
func (p *Proxy) Stall(t testing.TB, requests int64) {
	t.Helper()
	p.unanswered.Store(0)
	p.Join(p.greet)
	await(t, func() bool { return p.unanswered.Load() >= requests })
}

func await(t testing.TB, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 20*time.Second, time.Millisecond, "nobody comes")
}

// greet passes on the server's greeting, and to the server what it is asked.
func (p *Proxy) greet(client, server net.Conn) {
	go func() {
		greeting := make([]byte, 4096)
		n, _ := server.Read(greeting)
		_, _ = client.Write(greeting[:n])
	}()
	p.requests(server, client)
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
			p.unanswered.Add(1)
		}
	}
}
