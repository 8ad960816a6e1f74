package tcpproxy

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Proxy is a listening proxy. It is safe for concurrent use.
type Proxy struct {
	port     *reservation
	requests atomic.Int64

	accepting, copying sync.WaitGroup

	mu       sync.Mutex
	to       func() string
	ln       net.Listener // nil while connections are refused
	delays   delays
	mode     mode
	resumed  chan struct{} // closed when bytes pass again
	conns    map[net.Conn]struct{}
	accepted int
	refused  int64         // connections that were broken as soon as they were made
	silenced int64         // requests that are never answered
	grown    chan struct{} // closed when refused or silenced grows
}

type mode int

const (
	passing mode = iota
	breaking
	holding
	silent
	closed
)

// New is a proxy on a free loopback port to the server at to (host:port). It
// runs until Close.
func New(to string) (*Proxy, error) {
	port, err := reserve()
	if err != nil {
		return nil, fmt.Errorf("tcpproxy: %w", err)
	}
	p := &Proxy{port: port, resumed: make(chan struct{}), grown: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.Follow(func() string { return to })
	if err := p.listen(); err != nil {
		port.free()
		return nil, err
	}
	return p, nil
}

// Addr is where the proxy listens (host:port).
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

// Lead breaks all connections and takes new ones to the server at to (host:port),
// whatever the proxy did before.
func (p *Proxy) Lead(to string) {
	p.Follow(func() string { return to })
	p.Cut()
	p.Restore()
}

// Follow makes to say, as host:port, where each new connection leads. The others
// stay where they are, as behind a virtual address that moves. One connection is
// made at a time, so to is never called twice at once.
func (p *Proxy) Follow(to func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// Accepted is how many connections were made through the proxy.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Requests is how many pieces of data clients have sent that were passed on. A
// client that waits for each answer makes one piece of every small request.
func (p *Proxy) Requests() int64 { return p.requests.Load() }

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
	broken := m == breaking || m == silent || m == closed || p.mode == silent
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
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	server, err := net.Dial("tcp", to())
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == breaking || p.mode == closed {
		_ = client.Close()
		_ = server.Close()
		p.count(&p.refused)
		return
	}
	p.accepted++
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	if p.mode == silent {
		p.copying.Go(func() { p.greet(client, server) })
		p.copying.Go(func() { p.hear(client, server) })
		return
	}
	p.copying.Go(func() { p.copy(gate{p, server, true}, client) })
	p.copying.Go(func() { p.copy(gate{p, client, false}, server) })
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
