package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// Config of a namespace and of what runs in it.
type Config struct {
	// Self is the program and the arguments that lead to Main.
	Self []string
	// Routes lead outside.
	Routes []Route
	// Program is the client and its arguments. Empty means none: the namespace
	// is made and given up again.
	Program []string
}

// Route leads from addresses inside to a Bridge outside.
type Route struct {
	// Socket is the path of the Bridge's socket.
	Socket string
	// Listen are the addresses (host:port, loopback), at most MaxListen of them.
	Listen []string
}

// MaxListen bounds Route.Listen.
const MaxListen = 256

// Command returns a command that runs the program in a new namespace. Its
// standard streams are the program's; SIGTERM and SIGINT are passed on; the
// exit code is the program's, or exitRefused when it was not started.
//
// Whoever is not root gets a user namespace, too, in which the program believes
// to be root: ports below 1024 need that.
func Command(ctx context.Context, cfg Config) (*exec.Cmd, error) {
	if len(cfg.Self) == 0 {
		return nil, errors.New("netns: Self names no program")
	}
	args := slices.Clone(cfg.Self[1:])
	for _, r := range cfg.Routes {
		args = append(args, "-route", strings.Join(append([]string{r.Socket}, r.Listen...), ","))
	}
	args = append(args, "--")
	cmd := exec.CommandContext(ctx, cfg.Self[0], append(args, cfg.Program...)...)
	// The mount namespace is for what Main hides from the program.
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	return cmd, nil
}

// Check returns nil when namespaces can be made here, else the reason why not.
// self is Config.Self.
func Check(ctx context.Context, self ...string) error {
	cmd, err := Command(ctx, Config{Self: self})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("netns: no network namespace can be made here: %w %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
