package netns_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/clients/netns"
)

// TestMain is also what Command starts, and the programs inside.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "inside":
			os.Exit(netns.Main(os.Args[2:], os.Stderr))
		case "program":
			os.Exit(program(os.Args[2], os.Args[3:]))
		}
	}
	os.Exit(m.Run())
}

// program is what runs in the namespaces of these tests.
func program(name string, args []string) int {
	switch name {
	case "ask": // sends its input to an address, and prints the answer
		c, err := net.DialTimeout("tcp", args[0], 10*time.Second)
		if err != nil {
			fmt.Println(err)
			return 3
		}
		line, _ := io.ReadAll(os.Stdin)
		_, _ = c.Write(line)
		answer, _ := io.ReadAll(c) // an end without answer may be a reset
		fmt.Print(string(answer))
	case "exit":
		return 42
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "wait": // says so, then waits for the end of its input
		fmt.Println("waiting")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 7
	}
	return 0
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// needNamespace skips the test where none can be made.
func needNamespace(t *testing.T) {
	t.Helper()
	if err := netns.Check(t.Context(), self(t), "inside"); err != nil {
		t.Skip(err)
	}
}

// inside returns a command that runs a program of this file in a namespace.
func inside(t *testing.T, cfg netns.Config, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cfg.Self = []string{self(t), "inside"}
	cfg.Program = append([]string{self(t), "program", name}, args...)
	cmd, err := netns.Command(ctx, cfg)
	require.NoError(t, err)
	return cmd
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

// echo answers the first bytes of each connection in upper case, then closes
// it. It returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				n, _ := c.Read(b)
				_, _ = c.Write(bytes.ToUpper(b[:n]))
			}()
		}
	}()
	return l.Addr().String()
}

func TestOnlyNamedAddressesLeadOut(t *testing.T) {
	needNamespace(t)
	server := echo(t)
	socket := filepath.Join(t.TempDir(), "s")
	bridge, err := netns.Open(socket, server)
	require.NoError(t, err)
	defer bridge.Close()
	cfg := netns.Config{Routes: []netns.Route{
		{Socket: socket, Listen: []string{"127.154.167.51:443", "127.154.167.51:80"}},
		{Socket: socket, Listen: []string{"127.16.76.100:5222"}},
		{Socket: filepath.Join(t.TempDir(), "nobody"), Listen: []string{"127.154.171.5:443"}},
	}}
	for _, c := range []struct {
		name, addr, out string
		code            int
	}{
		{"the first address", "127.154.167.51:443", "HELLO", 0},
		{"another port", "127.154.167.51:80", "HELLO", 0},
		{"another address", "127.16.76.100:5222", "HELLO", 0},
		{"an address whose bridge is not there", "127.154.171.5:443", "", 0},
		{"loopback that was not named", "127.154.175.50:443", "connection refused", 3},
		{"the server itself", server, "connection refused", 3},
		{"an address of the world", "192.0.2.1:443", "network is unreachable", 3},
		{"the same in IPv6", "[2001:db8::1]:443", "network is unreachable", 3},
		{"a private address", "10.0.0.1:443", "network is unreachable", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := inside(t, cfg, "ask", c.addr)
			cmd.Stdin = strings.NewReader("hello")
			out, err := cmd.Output()
			require.Equal(t, c.code, exitCode(t, err), "%s", out)
			require.Contains(t, string(out), c.out)
		})
	}
}

func TestTwoNamespacesUseTheSameAddresses(t *testing.T) {
	needNamespace(t)
	server := echo(t)
	const addr = "127.154.167.51:443"
	var running []*exec.Cmd
	for i := range 2 {
		socket := filepath.Join(t.TempDir(), "s")
		bridge, err := netns.Open(socket, server)
		require.NoError(t, err)
		defer bridge.Close()
		cmd := inside(t, netns.Config{Routes: []netns.Route{{Socket: socket, Listen: []string{addr}}}}, "ask", addr)
		cmd.Stdin, cmd.Stdout = strings.NewReader(fmt.Sprint("number ", i)), new(bytes.Buffer)
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
	}
	for i, cmd := range running {
		require.NoError(t, cmd.Wait())
		require.Equal(t, fmt.Sprint("NUMBER ", i), cmd.Stdout.(*bytes.Buffer).String())
	}
}

func TestExitCodes(t *testing.T) {
	needNamespace(t)
	many := make([]string, netns.MaxListen+1)
	for i := range many {
		many[i] = fmt.Sprint("127.0.0.1:", 1000+i)
	}
	for _, c := range []struct {
		name, program string
		listen        []string
		code          int
	}{
		{"the program's own", "exit", nil, 42},
		{"a signal", "die", nil, 128 + 9},
		{"an address outside of loopback", "exit", []string{"192.0.2.1:443"}, 125},
		{"every address", "exit", []string{":443"}, 125},
		{"an address twice", "exit", []string{"127.0.0.1:443", "127.0.0.1:443"}, 125},
		{"too many addresses", "exit", many, 125},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := inside(t, netns.Config{Routes: []netns.Route{{Socket: "s", Listen: c.listen}}}, c.program)
			require.Equal(t, c.code, exitCode(t, cmd.Run()))
		})
	}
	cmd := inside(t, netns.Config{}, "exit")
	cmd.Args[len(cmd.Args)-3] = filepath.Join(t.TempDir(), "missing")
	require.Equal(t, 125, exitCode(t, cmd.Run()))
}

// The program ends with its input, with a signal to its parent, and with its
// parent.
func TestEndOfTheProgram(t *testing.T) {
	needNamespace(t)
	for _, c := range []struct {
		name string
		end  func(cmd *exec.Cmd, stdin io.Closer) error
		code int
	}{
		{"end of input", func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() }, 7},
		{"SIGTERM", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) }, 128 + 15},
		{"SIGKILL of the parent", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() }, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := inside(t, netns.Config{}, "wait")
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line := make([]byte, len("waiting\n"))
			_, err = io.ReadFull(stdout, line)
			require.NoError(t, err)
			require.NoError(t, c.end(cmd, stdin))
			_, err = io.Copy(io.Discard, stdout) // ends when the last holder of the pipe has
			require.NoError(t, err)
			require.Equal(t, c.code, exitCode(t, cmd.Wait()))
		})
	}
}

func TestRefusesWhereThereIsAWayOut(t *testing.T) {
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	up := false
	for _, i := range interfaces {
		up = up || i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0
	}
	if !up {
		t.Skip("this machine has loopback alone")
	}
	var out bytes.Buffer
	require.Equal(t, 125, netns.Main([]string{"--", "true"}, &out))
	require.Contains(t, out.String(), "without a way out")
}

func TestBridgeCloseCutsConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	socket := filepath.Join(t.TempDir(), "s")
	bridge, err := netns.Open(socket, l.Addr().String())
	require.NoError(t, err)
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer c.Close()
	server, err := l.Accept()
	require.NoError(t, err)
	defer server.Close()
	bridge.Close()
	for _, end := range []net.Conn{c, server} {
		require.NoError(t, end.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err := end.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	_, err = net.Dial("unix", socket)
	require.Error(t, err)
}
