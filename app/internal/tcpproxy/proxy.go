// Package tcpproxy stands between a client and a server and plays a bad
// network: it breaks connections, refuses new ones, lets them stand while
// nothing passes, holds up what passes, or hands them to a function that knows
// what they carry.
package tcpproxy

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy is a listening proxy. It is safe for concurrent use.
type Proxy struct {
	to   string
	port *reservation

	accepting, copying sync.WaitGroup

	mu       sync.Mutex
	ln       net.Listener  // nil while connections are refused
	delay    time.Duration // of each piece of data, in either direction
	mode     mode
	join     func(client, server net.Conn) // while joining
	resumed  chan struct{}                 // closed when bytes pass again
	conns    map[net.Conn]struct{}
	refused  int
	accepted int
}

type mode int

const (
	passing mode = iota
	breaking
	holding
	joining
	closed
)

// New is a proxy on a free loopback port to the server at to (host:port). It
// runs until Close.
func New(to string) (*Proxy, error) {
	port, err := reserve()
	if err != nil {
		return nil, fmt.Errorf("tcpproxy: %w", err)
	}
	p := &Proxy{to: to, port: port, resumed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	if err := p.listen(); err != nil {
		port.free()
		return nil, err
	}
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.port.addr }

// listen takes connections, as it does from the start.
func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == closed || p.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", p.port.addr)
	if err != nil {
		return fmt.Errorf("tcpproxy: %w", err)
	}
	p.ln = ln
	p.accepting.Go(func() { p.accept(ln) })
	return nil
}

// deafen takes no connections any more: the system refuses them.
func (p *Proxy) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln != nil {
		_ = p.ln.Close()
		p.ln = nil
	}
}

// Refuse breaks all connections, and the system refuses new ones as if nobody
// were there, until the function that it returns is called: then everything
// passes again.
func (p *Proxy) Refuse() (restore func() error) {
	p.deafen()
	p.become(breaking)
	return func() error {
		p.become(passing)
		return p.listen()
	}
}

// Restore lets everything pass again: what was held goes on, and new
// connections are taken.
func (p *Proxy) Restore() { p.become(passing) }

// Cut breaks all connections, and new ones as soon as they are made.
func (p *Proxy) Cut() { p.become(breaking) }

// Hold is a black hole: connections stand, new ones are taken, and no byte
// passes in either direction.
func (p *Proxy) Hold() { p.become(holding) }

// Delay holds up each piece of data that comes after it by d, in both directions,
// until it is called with 0. It changes nothing else: Restore leaves it alone.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Join breaks all connections; new ones are handed to join, which is called for
// each in a goroutine of its own. They are broken when it returns, and by the
// next change.
func (p *Proxy) Join(join func(client, server net.Conn)) {
	p.become(breaking)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != closed {
		p.mode, p.join = joining, join
	}
}

// Refused is how many connections were broken as soon as they were made.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Accepted is how many connections were made through the proxy.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close breaks everything and returns when no goroutine is left.
func (p *Proxy) Close() {
	p.become(closed)
	p.deafen()
	p.accepting.Wait()
	p.copying.Wait()
	p.port.free()
}

func (p *Proxy) become(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == closed || p.mode == m {
		return
	}
	if p.mode == holding {
		close(p.resumed)
		p.resumed = make(chan struct{})
	}
	broken := m == breaking || m == closed || p.mode == joining
	p.mode = m
	if broken {
		for c := range p.conns {
			_ = c.Close()
		}
		clear(p.conns)
	}
}

func (p *Proxy) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		p.connect(client)
	}
}

// connect connects a client with the server.
func (p *Proxy) connect(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == breaking || p.mode == closed {
		p.refused++
		_ = client.Close()
		_ = server.Close()
		return
	}
	p.accepted++
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	if join := p.join; p.mode == joining {
		p.copying.Go(func() {
			defer p.end(client, server)
			join(client, server)
		})
		return
	}
	p.copying.Go(func() { p.copy(server, client) })
	p.copying.Go(func() { p.copy(client, server) })
}

// copy passes bytes on until either side ends.
func (p *Proxy) copy(to, from net.Conn) {
	defer p.end(to, from)
	_, _ = io.Copy(gate{p, to}, from)
}

// end breaks a connection.
func (p *Proxy) end(sides ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range sides {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// gate writes while the proxy passes, after the delay.
type gate struct {
	p  *Proxy
	to net.Conn
}

func (g gate) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	delay := g.p.delay
	g.p.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay) //nolint:forbidigo // the delay is what it is for
	}
	for {
		g.p.mu.Lock()
		m, resumed := g.p.mode, g.p.resumed
		g.p.mu.Unlock()
		if m != holding {
			return g.to.Write(b)
		}
		<-resumed
	}
}
