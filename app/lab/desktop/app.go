package desktop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/lab/clients/netns"
	"github.com/tgsession/tgsession/app/lab/clients/patch"
	"github.com/tgsession/tgsession/app/lab/pause"
)

const (
	// program is Desktop's, as Debian's package installs it.
	program = "telegram-desktop"
	// logEvery is the pace at which its log is read.
	logEvery = 100 * time.Millisecond
	// stopGrace is how long it may take to end.
	stopGrace = 5 * time.Second
)

// app is a running Desktop.
type app struct {
	dir     string
	sockets string // a folder with the bridge's socket
	bridge  *netns.Bridge
	cmd     *exec.Cmd
	done    chan struct{}
	cancel  context.CancelFunc
}

// appConfig says how to start Desktop. Everything it writes is below dir.
type appConfig struct {
	self    []string // leads to netns.Main
	dir     string
	display string
	key     []byte // PEM of the gateway's RSA key
	dc      int
	lab     string // where its connections go to
	gateway string // what help.getConfig names
}

// startApp starts a patched copy in a namespace of its own.
func startApp(ctx context.Context, cfg appConfig) (_ *app, err error) {
	installed, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	patched := filepath.Join(cfg.dir, "Telegram")
	if err := patch.Desktop.File(patched, installed, cfg.key); err != nil {
		return nil, err
	}
	a := &app{dir: filepath.Join(cfg.dir, "work"), done: make(chan struct{})}
	home, runtime := filepath.Join(cfg.dir, "home"), filepath.Join(cfg.dir, "runtime")
	for _, d := range []string{a.dir, home, runtime} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	if a.sockets, err = os.MkdirTemp("", "desktop-"); err != nil { // a short path: the kernel bounds it
		return nil, err
	}
	socket := filepath.Join(a.sockets, "s")
	ctx, a.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			a.release()
		}
	}()
	if a.bridge, err = netns.Open(socket, cfg.lab); err != nil {
		return nil, err
	}
	// With -debug it writes down what it sends and receives.
	a.cmd, err = netns.Command(ctx, netns.Config{
		Self:    cfg.self,
		Routes:  []netns.Route{{Socket: socket, Listen: append(patch.Desktop.Listen(cfg.dc), cfg.gateway)}},
		Program: []string{patched, "-debug", "-workdir", a.dir},
	})
	if err != nil {
		return nil, err
	}
	a.cmd.Env = []string{
		"DISPLAY=" + cfg.display, "HOME=" + home, "XDG_RUNTIME_DIR=" + runtime, "PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8", "QT_QPA_PLATFORM=xcb", "LIBGL_ALWAYS_SOFTWARE=1",
	}
	out, err := os.Create(filepath.Join(cfg.dir, "desktop.out"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	a.cmd.Stdout, a.cmd.Stderr = out, out
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait() // it ends by our hand, or a step notices
	}()
	return a, nil
}

func (a *app) close() {
	_ = a.cmd.Process.Signal(os.Interrupt)
	t := time.NewTimer(stopGrace)
	defer t.Stop()
	select {
	case <-a.done:
	case <-t.C:
	}
	a.cancel() // kills it, when it still runs
	<-a.done
	a.release()
}

// release gives up what surrounds the process.
func (a *app) release() {
	a.cancel()
	if a.bridge != nil {
		a.bridge.Close()
	}
	_ = os.RemoveAll(a.sockets)
}

// logged waits until Desktop has written a text into its log of what it sends
// and receives.
func (a *app) logged(ctx context.Context, text string) error {
	for {
		all, err := a.log()
		if err != nil || strings.Contains(all, text) {
			return err
		}
		select {
		case <-a.done:
			return fmt.Errorf("the app ended before it logged %q", text)
		default:
		}
		if err := pause.For(ctx, logEvery); err != nil {
			return fmt.Errorf("the app did not log %q: %w", text, err)
		}
	}
}

// log is all that it has logged of its traffic.
func (a *app) log() (string, error) {
	files, err := filepath.Glob(filepath.Join(a.dir, "DebugLogs", "mtp_*.txt"))
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}
