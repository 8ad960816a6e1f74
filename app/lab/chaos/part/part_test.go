package part_test

import (
	"context"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/chaos/part"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// The test binary plays the part: it greets whoever connects, until SIGTERM.
func TestMain(m *testing.M) {
	if addr := os.Getenv("PART_TEST_ADDR"); addr != "" {
		greet(addr)
		return
	}
	os.Exit(m.Run())
}

func greet(addr string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return // it has ended where it should run
	}
	proc.WatchParent()
	context.AfterFunc(ctx, func() { _ = lis.Close() })
	for {
		c, err := lis.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("x"))
		_ = c.Close()
	}
}

// greeted asks the part at an address for its greeting.
func greeted(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

func start(t *testing.T) *part.Part {
	t.Helper()
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	p := part.New(
		proc.Spec{Name: "part", Args: []string{os.Args[0]}, Env: []string{"PART_TEST_ADDR=" + addr}, Output: filepath.Join(t.TempDir(), "out")},
		addr, part.Until(func(ctx context.Context) error { return greeted(ctx, addr) }),
	)
	require.NoError(t, p.Failed(), "before it has started")
	require.NoError(t, p.Stop(t.Context()))
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

func answers(t *testing.T, p *part.Part, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return greeted(ctx, p.Addr) == nil
}

func TestEndedPartsStartAgain(t *testing.T) {
	p := start(t)
	for _, tc := range []struct {
		name string
		end  func(context.Context) error
	}{{"SIGTERM", p.Stop}, {"SIGKILL", p.Kill}} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.end(t.Context()))
			require.False(t, answers(t, p, time.Second))
			require.NoError(t, p.Failed(), "it was asked to")
			require.NoError(t, p.Start(t.Context()))
			require.True(t, answers(t, p, 20*time.Second))
		})
	}
}

func TestPartsStandStillAndGoOn(t *testing.T) {
	p := start(t)
	require.NoError(t, p.Freeze())
	require.Eventually(t, func() bool { return !answers(t, p, 200*time.Millisecond) }, time.Minute, time.Millisecond)
	require.NoError(t, p.Thaw())
	require.NoError(t, p.Ready(t.Context()))
	require.NoError(t, p.Freeze())
	require.NoError(t, p.Stop(t.Context()), "one that stands still hears that it is to end")
}

// A part that ends by itself is what a run is to find.
func TestEndThatNobodyAskedFor(t *testing.T) {
	p := start(t)
	child, err := os.FindProcess(p.PID())
	require.NoError(t, err)
	require.NoError(t, child.Signal(syscall.SIGKILL))
	require.Eventually(t, func() bool { return p.Failed() != nil }, time.Minute, time.Millisecond)
	require.ErrorIs(t, p.Failed(), proc.ErrEnded)
	require.ErrorIs(t, p.Freeze(), proc.ErrEnded)
	require.ErrorIs(t, p.Kill(t.Context()), proc.ErrEnded)
	require.ErrorIs(t, p.Stop(t.Context()), proc.ErrEnded)
}
