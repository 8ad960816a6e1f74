// Command tdlib makes TDLib a client program of the lab: it speaks the protocol
// of the package clients and leaves the commands to main.mjs, which it starts
// with the first of them.
//
// TDLib has a key and addresses built in. So it is loaded from a patched copy,
// in a network namespace that has loopback alone and in which these addresses
// lead to the lab.
//
// "tdlib check" tells whether this machine can do that. "tdlib inside" is for
// itself.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tgsession/tgsession/app/lab/clients/netns"
	"github.com/tgsession/tgsession/app/lab/clients/patch"
)

const (
	library = "node_modules/@prebuilt-tdlib/linux-x64-glibc/libtdjson.so"
	script  = "main.mjs"
	// entryDC is the data centre at which TDLib begins.
	entryDC = 1
	// maxLine bounds the first command, in bytes.
	maxLine = 1 << 16
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "tdlib: %v\n", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	switch {
	case len(args) == 0:
		return serve(self, os.Stdin)
	case args[0] == "inside":
		return netns.Main(args[1:], os.Stderr), nil
	case args[0] == "check":
		if _, err := os.Stat(library); err != nil {
			return 0, err
		}
		return 0, netns.Check(context.Background(), self, "inside")
	default:
		return 0, fmt.Errorf("unknown command %q", args[0])
	}
}

// start is what this program needs of the command "start".
type start struct {
	Do   string `json:"do"`
	Args struct {
		Dir   string `json:"dir"`
		Host  string `json:"host"`
		Port  int    `json:"port"`
		DC    int    `json:"dc"`
		Entry string `json:"entry"` // host:port of the gateway of entryDC
		Key   string `json:"key"`
	} `json:"args"`
}

// serve waits for the first command, which says where the lab is, and runs
// main.mjs to its end.
func serve(self string, stdin io.Reader) (code int, err error) {
	in := bufio.NewReaderSize(stdin, maxLine)
	first, err := in.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(first) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the first command: %w", err)
	}
	var s start
	if err := json.Unmarshal(first, &s); err != nil || s.Do != "start" {
		return 0, errors.Join(errors.New("the first command is not start"), err)
	}
	if err := os.MkdirAll(s.Args.Dir, 0o700); err != nil {
		return 0, err
	}
	patched, err := patchedLibrary(filepath.Dir(self), []byte(s.Args.Key))
	if err != nil {
		return 0, err
	}
	sockets, err := os.MkdirTemp("", "tdlib-") // a short path: the kernel bounds it
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(sockets)
	var routes []netns.Route
	for _, r := range []struct {
		dc   int
		addr string
	}{{s.Args.DC, net.JoinHostPort(s.Args.Host, strconv.Itoa(s.Args.Port))}, {entryDC, s.Args.Entry}} {
		if r.addr == "" {
			return 0, fmt.Errorf("TDLib begins at data centre %d, and start names no entry", entryDC)
		}
		socket := filepath.Join(sockets, strconv.Itoa(r.dc))
		bridge, err := netns.Open(socket, r.addr)
		if err != nil {
			return 0, err
		}
		defer bridge.Close()
		routes = append(routes, netns.Route{Socket: socket, Listen: append(patch.TDLib.Listen(r.dc), r.addr)})
	}
	cmd, err := netns.Command(context.Background(), netns.Config{
		Self: []string{self, "inside"}, Routes: routes, Program: []string{"node", script},
	})
	if err != nil {
		return 0, err
	}
	cmd.Env = append(os.Environ(), "TDLIB_LIBRARY="+patched)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return relay(cmd, first, in)
}

// relay runs cmd with the first line and then the rest of our input, and passes
// SIGTERM on.
func relay(cmd *exec.Cmd, first []byte, rest io.Reader) (code int, err error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		defer stdin.Close()
		if _, err := stdin.Write(first); err == nil {
			_, _ = io.Copy(stdin, rest) // ends with our input, or with the process
		}
	}()
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// copyFor names the copy of the library that knows key.
func copyFor(dir string, key []byte) string {
	return filepath.Join(dir, fmt.Sprintf("libtdjson-%.8x.so", sha256.Sum256(key)))
}

// patchedLibrary is a copy of the library in dir that knows key, the PEM of an
// RSA public key. Processes with the same key share it.
func patchedLibrary(dir string, key []byte) (string, error) {
	dst := copyFor(dir, key)
	if _, err := os.Stat(dst); err == nil {
		return dst, nil
	}
	tmp, err := os.MkdirTemp(dir, "libtdjson-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "so")
	if err := patch.TDLib.File(made, library, key); err != nil {
		return "", err
	}
	return dst, os.Rename(made, dst) // whole, or not at all
}
