// Package proc runs services as child processes: their output goes to a file,
// SIGTERM stops them and a bound on the wait kills them, and a child that ends
// by itself is noticed.
//
// A child inherits the reading end of a pipe as its standard input. The pipe
// ends with its parent, whatever ended that: WatchParent makes a child go, too.
package proc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/loopback"
)

// Spec says what to run.
type Spec struct {
	// Name is for people.
	Name string
	// Args is the program and its arguments.
	Args []string
	// Output is the file that standard output and standard error are
	// appended to.
	Output string
	// Env is added to the environment, as "NAME=value".
	Env []string
}

// Child is a running process. It is safe for concurrent use.
type Child struct {
	spec  Spec
	cmd   *exec.Cmd
	stdin io.Closer
	begin int64 // where its output begins in the file
	done  chan struct{}
	err   error // valid once done is closed

	stop sync.Mutex
}

// Start runs it.
func Start(spec Spec) (*Child, error) {
	out, err := os.OpenFile(spec.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("proc: %s: %w", spec.Name, err)
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("proc: %s: %w", spec.Name, err)
	}
	c := &Child{spec: spec, begin: info.Size(), done: make(chan struct{})}
	c.cmd = exec.Command(spec.Args[0], spec.Args[1:]...)
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Env = out, out, append(os.Environ(), spec.Env...)
	// A group of its own: Ctrl-C at the terminal is the parent's to handle.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("proc: %s: %w", spec.Name, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("proc: %s: %w", spec.Name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// ErrEnded is returned when a child ended where it should run.
var ErrEnded = errors.New("process ended")

// Ended describes the end of a process that has ended, with its last lines.
func (c *Child) Ended() error {
	return fmt.Errorf("proc: %s: %w: %w\n%s", c.spec.Name, ErrEnded, exitText(c.err), c.Tail(10))
}

func exitText(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Stop sends SIGTERM and waits; when ctx ends first the process is killed and
// an error returned. An ended process needs no stop.
func (c *Child) Stop(ctx context.Context) error {
	c.stop.Lock()
	defer c.stop.Unlock()
	defer c.stdin.Close()
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("proc: %s: %w", c.spec.Name, err)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("proc: %s did not stop in time and was killed\n%s", c.spec.Name, c.Tail(10))
	}
}

// Kill ends the process with SIGKILL, which it cannot see coming, and returns
// when it is gone. An ended process needs no kill.
func (c *Child) Kill(ctx context.Context) error {
	c.stop.Lock()
	defer c.stop.Unlock()
	defer c.stdin.Close()
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("proc: %s: %w", c.spec.Name, err)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("proc: %s does not end: %w", c.spec.Name, ctx.Err())
	}
}

// PID is the number of the process.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Signal sends the process a signal. An ended process needs none.
func (c *Child) Signal(s os.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("proc: %s: %w", c.spec.Name, err)
	}
	return nil
}

// maxTail bounds what Tail reads.
const maxTail = 64 << 10

// Tail returns the last lines the process has written.
func (c *Child) Tail(lines int) string {
	f, err := os.Open(c.spec.Output)
	if err != nil {
		return ""
	}
	defer f.Close()
	from := c.begin
	if info, err := f.Stat(); err == nil {
		from = max(from, info.Size()-maxTail)
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	var last [][]byte
	for s := bufio.NewScanner(f); s.Scan(); {
		if last = append(last, bytes.Clone(s.Bytes())); len(last) > lines {
			last = last[1:]
		}
	}
	return string(bytes.Join(last, []byte("\n")))
}

// pollEvery is the pace of WaitReady.
const pollEvery = 20 * time.Millisecond

// WaitReady returns when the gRPC server at addr is healthy and found says
// that peers can find it, or with an error when the child ends or ctx does.
func (c *Child) WaitReady(ctx context.Context, addr string, found func(context.Context) (bool, error)) error {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("proc: %s: %w", c.spec.Name, err)
	}
	defer conn.Close()
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-c.done:
		case <-alive.Done():
		}
	}()
	health := grpc_health_v1.NewHealthClient(conn)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		r, err := health.Check(alive, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && r.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			var ok bool
			if ok, err = found(alive); ok {
				return nil
			}
		}
		select {
		case <-c.done:
			return c.Ended()
		default:
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return fmt.Errorf("proc: %s is not ready: %w\n%s", c.spec.Name, errors.Join(ctx.Err(), err), c.Tail(10))
		case <-tick.C:
		}
	}
}

// FreeAddr returns a loopback address nobody listens on, which no connection gets. Another
// process may take it before its user does.
func FreeAddr() (string, error) {
	addr, err := loopback.Address()
	if err != nil {
		return "", fmt.Errorf("proc: %w", err)
	}
	return addr, nil
}

// WatchParent sends this process SIGTERM when its parent, which started it by
// Start, is gone.
func WatchParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Signal(syscall.SIGTERM)
		}
	}()
}
