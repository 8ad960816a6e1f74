package tcpproxy_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that says what it hears.
func echo(t *testing.T) string {
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
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return ln.Addr().String()
}

func proxy(t *testing.T, to string) *tcpproxy.Proxy {
	t.Helper()
	p, err := tcpproxy.New(to)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
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
	p := proxy(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")

	p.Cut()
	ends(t, c)
	ends(t, dial(t, p))
	require.Equal(t, 1, p.Refused())

	p.Restore()
	c = dial(t, p)
	say(t, c, "two")
	hear(t, c, "two")
	require.Equal(t, 2, p.Accepted())
}

func TestRefuse(t *testing.T) {
	p := proxy(t, echo(t))
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
	p := proxy(t, echo(t))
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
	p := proxy(t, echo(t))
	c := dial(t, p)
	p.Hold()
	say(t, c, "one")
	p.Cut()
	ends(t, c)
}

func TestJoin(t *testing.T) {
	p := proxy(t, echo(t))
	before := dial(t, p)
	say(t, before, "one")
	hear(t, before, "one")
	p.Join(func(client, server net.Conn) {
		_, _ = io.WriteString(client, "joined")
		_, _ = io.Copy(io.Discard, client)
	})
	ends(t, before)
	joined := dial(t, p)
	hear(t, joined, "joined")
	p.Restore()
	ends(t, joined)
	after := dial(t, p)
	say(t, after, "two")
	hear(t, after, "two")
}

func TestNobodyBehind(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	p := proxy(t, ln.Addr().String())
	ends(t, dial(t, p))
	p.Close()
	p.Close()
	p.Restore()
	_, err = net.Dial("tcp", p.Addr())
	require.Error(t, err)
}

// What is held up comes late, and all of it comes.
func TestDelay(t *testing.T) {
	const delay = 50 * time.Millisecond
	p := proxy(t, echo(t))
	c := dial(t, p)
	say(t, c, "one")
	hear(t, c, "one")
	for _, tc := range []struct {
		name  string
		delay time.Duration
	}{{"held up", delay}, {"not any more", 0}} {
		t.Run(tc.name, func(t *testing.T) {
			p.Delay(tc.delay)
			begin := time.Now()
			say(t, c, "two")
			hear(t, c, "two")
			require.GreaterOrEqual(t, time.Since(begin), 2*tc.delay, "there and back")
		})
	}
}
