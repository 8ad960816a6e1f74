package tcpproxy_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

// echo is a server that says what it hears.
func echo(t *testing.T) string {
	t.Helper()
	return serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// serve is a server that does something with each connection, and then ends it.
func serve(t *testing.T, do func(c net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); do(c) }()
		}
	}()
	return ln.Addr().String()
}

func dial(t *testing.T, p *tcpproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func ends(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := io.ReadAll(c)
	var late net.Error
	require.False(t, errors.As(err, &late) && late.Timeout(), "the connection stands")
}

func TestPassAndCut(t *testing.T) {
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")

	p.Cut()
	ends(t, c)
	ends(t, dial(t, p))

	p.Restore()
	c = dial(t, p)
	say(t, c, "two")
	hear(t, c, "two")
	require.Equal(t, 2, p.Accepted())
}

func TestRefuse(t *testing.T) {
	p := tcpproxy.Start(t, echo(t))
	addr := p.Addr()
	for range 3 {
		c := dial(t, p)
		say(t, c, "one")
		hear(t, c, "one")
		restore := p.Refuse()
		ends(t, c)
		for range 100 { // who comes again and again does not get in
			_, err := net.Dial("tcp", addr)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		}
		require.NoError(t, restore())
		require.NoError(t, restore(), "once more")
		require.Equal(t, addr, p.Addr())
	}
	restore := p.Refuse()
	p.Close()
	require.NoError(t, restore(), "when it is over")
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
}

// What is said into a black hole comes out when it is gone, and in order.
func TestHold(t *testing.T) {
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	p.Hold()
	say(t, c, "two")
	held := dial(t, p)
	say(t, held, "three")
	for _, c := range []net.Conn{c, held} {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorContains(t, err, "timeout")
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	}
	p.Restore()
	hear(t, c, "two")
	hear(t, held, "three")
}

func TestHoldThenCut(t *testing.T) {
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	p.Hold()
	say(t, c, "one")
	p.Cut()
	ends(t, c)
}

func TestNobodyBehind(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	p := tcpproxy.Start(t, ln.Addr().String())
	ends(t, dial(t, p))
	p.Close()
	p.Close()
	p.Restore()
	_, err = net.Dial("tcp", p.Addr())
	require.Error(t, err)
}

// A client that comes again while everything is cut has seen it.
func TestCutSeen(t *testing.T) {
	p := tcpproxy.Start(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	seen := make(chan struct{})
	go func() { defer close(seen); p.CutSeen(t) }()
	ends(t, c)
	select {
	case <-seen:
		t.Fatal("nobody has seen it yet")
	default:
	}
	ends(t, dial(t, p))
	<-seen
}

// says is a server that tells its name to each client, and then says what it hears.
func says(t *testing.T, name string) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, name)
		_, _ = io.Copy(c, c)
	})
}

// New connections lead to the other server; old ones are broken, also when the
// proxy was cut before.
func TestLead(t *testing.T) {
	p := tcpproxy.Start(t, says(t, "one"))
	for _, cut := range []bool{false, true} {
		c := dial(t, p)
		hear(t, c, "one")
		if cut {
			p.Cut()
		}
		p.Lead(says(t, "two"))
		ends(t, c)
		hear(t, dial(t, p), "two")
		p.Lead(says(t, "one"))
	}
}

// New connections lead where the function says; old ones stand.
func TestFollow(t *testing.T) {
	one, two := says(t, "one"), says(t, "two")
	p := tcpproxy.Start(t, one)
	old := dial(t, p)
	hear(t, old, "one")
	p.Follow(func() string { return two })
	hear(t, dial(t, p), "two")
	say(t, old, "still here")
	hear(t, old, "still here")
}

// A client that waits for each answer makes one piece of each request, and what
// the server says is not counted.
func TestRequests(t *testing.T) {
	p := tcpproxy.Start(t, says(t, "welcome"))
	for range 2 {
		c := dial(t, p)
		hear(t, c, "welcome")
		before := p.Requests()
		for i := range int64(10) {
			require.Equal(t, i, p.Requests()-before)
			say(t, c, "request")
			hear(t, c, "request")
		}
		require.EqualValues(t, 10, p.Requests()-before)
	}
}
