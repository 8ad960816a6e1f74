package netns

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitRefused is the exit code when the program was not started.
const exitRefused = 125

// Main is what Command runs inside the namespace: it raises the loopback
// interface, listens, runs the program and returns its exit code. args are
// those that Command added. It refuses to run where there is a way out.
func Main(args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("inside", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var routes []Route
	fs.Func("route", "`path,host:port[,…]` of a socket that leads outside, and of the addresses on loopback that lead to it; may be repeated", func(text string) error {
		parts := strings.Split(text, ",")
		routes = append(routes, Route{Socket: parts[0], Listen: parts[1:]})
		return nil
	})
	if err := fs.Parse(args); err != nil {
		return exitRefused
	}
	code, err := run(routes, fs.Args())
	if err != nil {
		fmt.Fprintf(stderr, "netns: %v\n", err)
		return exitRefused
	}
	return code
}

func run(routes []Route, program []string) (code int, err error) {
	if err := alone(); err != nil {
		return 0, err
	}
	if err := raiseLoopback(); err != nil {
		return 0, fmt.Errorf("raise the loopback interface: %w", err)
	}
	if err := hideNameServices(); err != nil {
		return 0, err
	}
	if len(program) == 0 {
		return 0, nil
	}
	for _, r := range routes {
		f, err := forwardAll(r.Listen, r.Socket)
		if err != nil {
			return 0, err
		}
		defer f.close()
	}
	return runProgram(program)
}

// alone returns an error where an interface other than loopback exists: the
// program could reach the world.
func alone() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		// A namespace may be born with tunnels that lead nowhere: they are down,
		// and the program could only raise them without a route.
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return fmt.Errorf("interface %s is up: this is no namespace without a way out", i.Name)
		}
	}
	return nil
}

// raiseLoopback does what "ip link set lo up" does. The kernel then adds
// 127.0.0.1/8, so that every address below 127 is local, and ::1.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// nameServices are folders with the unix sockets of daemons that look names up
// for others. Unix sockets with a path cross network namespaces, so a lookup
// would leave the machine through them.
var nameServices = []string{"/run/nscd", "/run/systemd/resolve"}

// hideNameServices puts an empty folder over each of them, in this mount
// namespace alone.
func hideNameServices() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to this namespace: %w", err)
	}
	for _, dir := range nameServices {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	return nil
}

// runProgram runs it to its end. It ends with this process, too: the kernel
// kills it when the thread that started it is gone.
func runProgram(program []string) (code int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil // as a shell says it
	}
	return exit.ExitCode(), nil
}
