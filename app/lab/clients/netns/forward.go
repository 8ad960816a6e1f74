package netns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// forwarder passes connections of its listeners on to where dial leads.
type forwarder struct {
	listeners []net.Listener
	dial      func() (net.Conn, error)

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	wg     sync.WaitGroup
}

func newForwarder(dial func() (net.Conn, error)) *forwarder {
	return &forwarder{dial: dial, conns: map[net.Conn]struct{}{}}
}

// forwardAll listens on loopback addresses and passes connections on to the
// unix socket.
func forwardAll(addrs []string, socket string) (*forwarder, error) {
	if len(addrs) > MaxListen {
		return nil, fmt.Errorf("%d addresses to listen on, %d at most", len(addrs), MaxListen)
	}
	f := newForwarder(func() (net.Conn, error) { return net.Dial("unix", socket) })
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err == nil && !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			err = errors.Join(fmt.Errorf("%s is not on loopback", addr), l.Close())
		}
		if err != nil {
			f.close()
			return nil, err
		}
		f.serve(l)
	}
	return f, nil
}

func (f *forwarder) serve(l net.Listener) {
	f.listeners = append(f.listeners, l)
	f.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			f.wg.Go(func() { f.pass(c) })
		}
	})
}

// pass copies both ways until one side ends, then closes both: a client sees
// the gateway's end at once, and the other way round.
func (f *forwarder) pass(client net.Conn) {
	defer f.drop(client)
	if !f.hold(client) {
		return
	}
	server, err := f.dial()
	if err != nil {
		return // the client finds its connection closed, as if nobody listened
	}
	defer f.drop(server)
	if !f.hold(server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{server, client}, {client, server}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
}

// hold keeps c for close; false: closed already.
func (f *forwarder) hold(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.conns[c] = struct{}{}
	}
	return !f.closed
}

func (f *forwarder) drop(c net.Conn) {
	_ = c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// close ends all and waits for it.
func (f *forwarder) close() {
	for _, l := range f.listeners {
		_ = l.Close()
	}
	f.mu.Lock()
	f.closed = true
	for c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// Bridge is the outer end of the socket that leads out of a namespace.
type Bridge struct{ f *forwarder }

// Open listens on a unix socket and passes each connection on to addr
// (host:port), until Close. The path is at most some 100 bytes long, which is
// the kernel's bound.
func Open(socket, addr string) (*Bridge, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("netns: %w", err)
	}
	f := newForwarder(func() (net.Conn, error) { return net.Dial("tcp", addr) })
	f.serve(l)
	return &Bridge{f}, nil
}

// Close cuts all connections and removes the socket.
func (b *Bridge) Close() { b.f.close() }
