package proc_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// The test binary plays the children, told by its environment.
func TestMain(m *testing.M) {
	switch os.Getenv("PROC_TEST_CHILD") {
	case "":
		leaktest.Strict(m)
	case "serve":
		serve(os.Getenv("PROC_TEST_ADDR"))
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("here")
		time.Sleep(time.Hour)
	case "fail":
		fmt.Println("first line")
		fmt.Println("the reason")
		os.Exit(3)
	}
}

func serve(addr string) {
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	proc.WatchParent()
	go func() { <-ctx.Done(); srv.Stop() }()
	_ = srv.Serve(lis)
	fmt.Println("bye")
}

func start(t *testing.T, role, addr string) *proc.Child {
	t.Helper()
	t.Setenv("PROC_TEST_CHILD", role)
	t.Setenv("PROC_TEST_ADDR", addr)
	c, err := proc.Start(proc.Spec{Name: role, Args: []string{os.Args[0]}, Output: filepath.Join(t.TempDir(), "out")})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Stop(ctx)
	})
	return c
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestSignal(t *testing.T) {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	c := start(t, "serve", addr)
	require.NoError(t, c.WaitReady(soon(t), addr, func(context.Context) (bool, error) { return true, nil }))
	require.NoError(t, c.Signal(syscall.SIGTERM))
	<-c.Done()
	require.ErrorContains(t, c.Ended(), "bye", "it saw the signal")
	require.NoError(t, c.Signal(syscall.SIGTERM), "it is not there any more")
}

func TestKill(t *testing.T) {
	c := start(t, "stubborn", "")
	require.NoError(t, c.Kill(soon(t)))
	select {
	case <-c.Done():
	default:
		require.Fail(t, "still runs")
	}
	require.ErrorContains(t, c.Ended(), "signal: killed")
	require.NoError(t, c.Kill(soon(t)), "once more does nothing")
}

func TestServeAndStop(t *testing.T) {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	c := start(t, "serve", addr)
	calls := 0
	require.NoError(t, c.WaitReady(soon(t), addr, func(context.Context) (bool, error) { calls++; return calls == 3, nil }))
	require.Equal(t, 3, calls)
	require.NoError(t, c.Stop(soon(t)))
	require.Equal(t, "bye", c.Tail(1))
	require.NoError(t, c.Stop(soon(t)), "a second stop")
}

func TestStubbornChildIsKilled(t *testing.T) {
	c := start(t, "stubborn", "")
	require.Eventually(t, func() bool { return c.Tail(1) == "here" }, time.Minute, 5*time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, c.Stop(ctx), "killed")
	<-c.Done()
}

func TestChildThatEndsSaysWhy(t *testing.T) {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	c := start(t, "fail", addr)
	<-c.Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err = c.WaitReady(ctx, addr, func(context.Context) (bool, error) { return true, nil })
	require.ErrorIs(t, err, proc.ErrEnded)
	require.ErrorContains(t, err, "exit status 3")
	require.True(t, strings.HasSuffix(err.Error(), "first line\nthe reason"), err.Error())
}

// A child whose parent is gone goes too.
func TestOrphan(t *testing.T) {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=serve", "PROC_TEST_ADDR="+addr)
	pipe, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, pipe.Close())
	said, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Equal(t, "bye\n", string(said))
	require.NoError(t, cmd.Wait())
}

func TestNoSuchProgram(t *testing.T) {
	_, err := proc.Start(proc.Spec{Name: "none", Args: []string{"/no/such/program"}, Output: filepath.Join(t.TempDir(), "out")})
	require.Error(t, err)
}
