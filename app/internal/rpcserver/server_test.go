package rpcserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	zconf "github.com/zeromicro/go-zero/core/conf"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

func TestMain(m *testing.M) {
	logx.Disable()
	if os.Getenv("RPCSERVER_CHILD") != "" {
		os.Exit(child())
	}
	leaktest.Main(m)
}

// held is a service with one method, which answers when release is closed.
type held struct{ entered, release chan struct{} }

func newHeld() *held { return &held{entered: make(chan struct{}, 8), release: make(chan struct{})} }

func (h *held) register(g *grpc.Server) {
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Held",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "wait", Handler: func(_ any, ctx context.Context, dec func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := dec(in); err != nil {
				return nil, err
			}
			return i(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test.Held/wait"}, func(ctx context.Context, _ any) (any, error) {
				h.entered <- struct{}{}
				<-h.release
				return new(emptypb.Empty), nil
			})
		}}},
	}, nil)
}

func yamlConf(listenOn string) string {
	return `{Name: test, Mode: test, Timeout: 0, Log: {Level: severe, Stat: false}, ListenOn: "` + listenOn + `"}`
}

func testConf(t testing.TB) zrpc.RpcServerConf {
	t.Helper()
	var c zrpc.RpcServerConf
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(yamlConf(freeport.Address(t))), &c))
	return c
}

func dialServer(t testing.TB, c zrpc.RpcServerConf) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(c.ListenOn, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func wait(conn *grpc.ClientConn) error {
	return conn.Invoke(context.Background(), "/test.Held/wait", new(emptypb.Empty), new(emptypb.Empty))
}

func TestStopLetsCallsInFlightFinish(t *testing.T) {
	h, c := newHeld(), testConf(t)
	drained := false
	s, err := New(Options{Conf: c, Register: h.register, Drain: func(context.Context) { drained = true }})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	conn := dialServer(t, c)
	state, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, state.Status)

	answer := make(chan error, 1)
	go func() { answer <- wait(conn) }()
	<-h.entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	require.Eventually(t, func() bool {
		l, err := net.Listen("tcp", c.ListenOn)
		if err == nil {
			l.Close()
		}
		return err == nil
	}, 5*time.Second, time.Millisecond, "the port is closed at once")
	close(h.release)
	require.NoError(t, <-answer, "the call held in flight was answered")
	require.NoError(t, <-stopped)
	require.True(t, drained)
	require.NoError(t, s.Stop(t.Context()), "a second stop is a no-op")
}

func TestStopCutsCallsAtItsDeadline(t *testing.T) {
	h, c := newHeld(), testConf(t)
	s, err := New(Options{Conf: c, Register: h.register})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	answer := make(chan error, 1)
	conn := dialServer(t, c)
	go func() { answer <- wait(conn) }()
	<-h.entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	require.Error(t, <-answer)
	close(h.release) // grpc waits for the handler itself
	require.ErrorContains(t, <-stopped, "were cut")
}

func TestTwoServersInOneProcess(t *testing.T) {
	var servers []*Server
	for range 2 {
		h, c := newHeld(), testConf(t)
		close(h.release)
		s, err := New(Options{Conf: c, Register: h.register})
		require.NoError(t, err)
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, wait(dialServer(t, c)))
		servers = append(servers, s)
	}
	require.NoError(t, servers[0].Stop(t.Context()))
	require.NoError(t, wait(dialServer(t, servers[1].options.Conf)), "stopping one leaves the other alone")
	require.NoError(t, servers[1].Stop(t.Context()))
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := testConf(t)
	c.ListenOn = l.Addr().String()
	s, err := New(Options{Conf: c, Register: newHeld().register})
	require.NoError(t, err)
	require.ErrorContains(t, s.Start(t.Context()), "ListenOn "+c.ListenOn+" cannot be served")
	require.NoError(t, s.Stop(t.Context()))
}

// An etcd that accepts connections and says nothing is the worse kind of
// outage: nothing fails by itself.
func TestSilentEtcdIsAnErrorWithin10s(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c := testConf(t)
	c.Etcd = discov.EtcdConf{Hosts: []string{l.Addr().String()}, Key: "test.held"}
	s, err := New(Options{Conf: c, Register: newHeld().register})
	require.NoError(t, err)
	began := time.Now()
	require.ErrorContains(t, s.Start(t.Context()), "start it or correct Etcd.Hosts")
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestPublishedOnlyWhileServing(t *testing.T) {
	etcd := etcdtest.Dial(t)
	c := testConf(t)
	c.Etcd = discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: etcd.Key("held")}
	h := newHeld()
	close(h.release)
	var atDrain []string
	s, err := New(Options{Conf: c, Register: h.register, Drain: func(context.Context) {
		atDrain = etcd.Values(c.Etcd.Key)
		require.NoError(t, wait(dialServer(t, c)), "who still knows the address is served")
	}})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	require.Equal(t, []string{c.ListenOn}, etcd.Values(c.Etcd.Key))
	require.NoError(t, wait(dialServer(t, c)))
	require.NoError(t, s.Stop(t.Context()))
	require.Empty(t, atDrain, "unpublished before anything else ends")
}

// go-zero's publisher, whose watch was compacted when its connection came
// back, registered under a second lease and kept the first alive, too: peers
// sent to the stopped node until its process ended.
func TestNothingIsPublishedAfterStopWhateverEtcdWentThrough(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for five seconds")
	}
	etcd := etcdtest.Dial(t)
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	c := testConf(t)
	c.Etcd = discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: etcd.Key("compacted")}
	h := newHeld()
	close(h.release)
	s, err := New(Options{Conf: c, Register: h.register})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	etcd.Compact()
	proxy.CutSeen(t)
	second := etcd.Watch(t.Context(), c.Etcd.Key+"/", clientv3.WithPrefix())
	proxy.Restore()
	select {
	case <-second: // it took a second or two
	case <-time.After(5 * time.Second):
	}
	require.NotEmpty(t, etcd.Values(c.Etcd.Key))
	require.NoError(t, s.Stop(t.Context()))
	require.Empty(t, etcd.Values(c.Etcd.Key))
}

func TestBudget(t *testing.T) {
	c := testConf(t)
	require.Equal(t, 25*time.Second, Budget(c), "go-zero's default counts as unset")
	require.Less(t, Budget(c)+flushTime, 28*time.Second, "Kubernetes kills after 30 s")
	c.Shutdown.WaitTime = 7 * time.Second
	require.Equal(t, 7*time.Second, Budget(c))
}

// child is a process around a Server; it prints "ready", and a call in flight
// is released only after the signal arrived.
func child() int {
	h := newHeld()
	var c zrpc.RpcServerConf
	if err := zconf.LoadFromYamlBytes([]byte(yamlConf(os.Getenv("RPCSERVER_CHILD"))), &c); err != nil {
		return 2
	}
	drain := func(context.Context) { close(h.release) }
	if os.Getenv("RPCSERVER_HANG") != "" {
		drain = func(ctx context.Context) {
			fmt.Println("draining")
			<-ctx.Done()
		}
	}
	s, err := New(Options{Conf: c, Register: h.register, Drain: drain})
	if err != nil {
		return 2
	}
	go func() {
		<-h.entered
		fmt.Println("entered")
	}()
	if err := Run(s, 10*time.Second, nil); err != nil {
		return Fail("child", err)
	}
	fmt.Println("ended")
	return 0
}

func TestSignalsEndTheProcessInOrder(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			c := testConf(t)
			var out strings.Builder
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "RPCSERVER_CHILD="+c.ListenOn)
			pipe, err := cmd.StdoutPipe()
			require.NoError(t, err)
			cmd.Stderr = &out
			require.NoError(t, cmd.Start())
			answer := make(chan error, 1)
			conn := dialServer(t, c)
			go func() {
				answer <- conn.Invoke(context.Background(), "/test.Held/wait", new(emptypb.Empty), new(emptypb.Empty), grpc.WaitForReady(true))
			}()
			line := make([]byte, 64)
			n, err := pipe.Read(line)
			require.NoError(t, err)
			require.Equal(t, "entered\n", string(line[:n]))
			require.NoError(t, cmd.Process.Signal(syscall.SIGHUP), "ignored")
			began := time.Now()
			require.NoError(t, cmd.Process.Signal(sig))
			require.NoError(t, <-answer, "a call in flight is answered after the signal")
			n, _ = pipe.Read(line)
			require.Equal(t, "ended\n", string(line[:n]), out.String())
			require.NoError(t, cmd.Wait(), out.String())
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
}

// Who signals a second time does not want to wait.
func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	c := testConf(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RPCSERVER_CHILD="+c.ListenOn, "RPCSERVER_HANG=1")
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	conn := dialServer(t, c)
	go func() {
		_ = conn.Invoke(context.Background(), "/test.Held/wait", new(emptypb.Empty), new(emptypb.Empty), grpc.WaitForReady(true))
	}()
	line := make([]byte, 64)
	n, err := pipe.Read(line)
	require.NoError(t, err)
	require.Equal(t, "entered\n", string(line[:n]))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	n, err = pipe.Read(line)
	require.NoError(t, err)
	require.Equal(t, "draining\n", string(line[:n]))
	began := time.Now()
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Equal(t, syscall.SIGTERM, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.Less(t, time.Since(began), 5*time.Second, "not the 10 s that a stop may take")
}
