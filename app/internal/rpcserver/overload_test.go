package rpcserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// calmed is a configuration that leaves go-zero's overload protection out.
type calmed struct{ zrpc.RpcServerConf }

func (c *calmed) Complete(given func(key string) bool) { Calm(&c.RpcServerConf, given) }

// A file that says nothing of it has neither go-zero's shedder nor its breaker;
// one that does has what it says, go-zero's own defaults, too.
func TestOverloadProtectionOfGoZeroIsForWhoAsksForIt(t *testing.T) {
	for text, want := range map[string]struct {
		threshold int64
		breaker   bool
	}{
		"":                             {0, false},
		"CpuThreshold: 900":            {900, false},
		"CpuThreshold: 800":            {800, false},
		"Middlewares: {Breaker: true}": {0, true},
		"middlewares: {breaker: true, Stat: false}":     {0, true},
		"Middlewares: {Stat: false}\nCpuThreshold: 950": {950, false},
	} {
		path := filepath.Join(t.TempDir(), "test.yaml")
		require.NoError(t, os.WriteFile(path, []byte("Name: test\nListenOn: 127.0.0.1:1\n"+text), 0o600))
		var c calmed
		_, err := conf.Load(path, &c)
		require.NoError(t, err)
		require.Equal(t, []any{want.threshold, want.breaker}, []any{c.CpuThreshold, c.Middlewares.Breaker}, text)
	}
}

// Calls beyond the bound are refused with a code that stock peers bear; health is
// asked all the same, and a call that ends makes room.
func TestCallsInFlightAreBounded(t *testing.T) {
	h, c := newHeld(), testConf(t)
	s, err := New(Options{Conf: c, Register: h.register, MaxInFlight: 2})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	conn := dialServer(t, c)
	answers := make(chan error, 2)
	for range 2 {
		go func() { answers <- wait(conn) }()
		<-h.entered
	}
	for range 100 { // a breaker would have tripped
		require.Equal(t, codes.Code(500), status.Code(wait(conn)))
	}
	state, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, state.Status)
	close(h.release)
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
	require.NoError(t, wait(conn))
}

// A time limit of 0 is none, as for all methods together: such a call was over at
// once.
func TestAMethodTimeoutOfZeroIsNone(t *testing.T) {
	h, c := newHeld(), testConf(t)
	close(h.release)
	c.Timeout = 2000
	c.MethodTimeouts = []zrpc.MethodTimeoutConf{{FullMethod: "/test.Held/wait"}}
	s, err := New(Options{Conf: c, Register: h.register})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	require.NoError(t, wait(dialServer(t, c)))

	c.MethodTimeouts[0].Timeout = -time.Second
	_, err = New(Options{Conf: c, Register: h.register})
	require.EqualError(t, err, "MethodTimeouts[0].Timeout is -1s: set a time above 0, or 0 for none")
}

// Connections are bounded, and those that nobody uses end.
func TestIdleConnectionsEnd(t *testing.T) {
	h, c := newHeld(), testConf(t)
	close(h.release)
	s, err := New(Options{Conf: c, Register: h.register, MaxConnections: 3, MaxIdle: 100 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	silent := make([]net.Conn, 3)
	for i := range silent {
		silent[i], err = net.Dial("tcp", c.ListenOn)
		require.NoError(t, err)
		defer silent[i].Close()
		// A client's preface and empty settings: from then on it says nothing.
		_, err = fmt.Fprint(silent[i], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		require.NoError(t, err)
		require.NoError(t, silent[i].SetReadDeadline(time.Now().Add(30*time.Second)))
		_, err = io.ReadFull(silent[i], make([]byte, 9)) // it is served
		require.NoError(t, err)
	}
	one, err := net.Dial("tcp", c.ListenOn)
	require.NoError(t, err)
	defer one.Close()
	require.NoError(t, one.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err = one.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "one too many is closed at once")
	for i := range silent {
		_, err = io.Copy(io.Discard, silent[i])
		require.NoError(t, err, "idle ones are closed by the server")
	}
	require.Eventually(t, func() bool { return wait(dialServer(t, c)) == nil }, time.Minute, time.Millisecond)
}
