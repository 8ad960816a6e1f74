package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/device"
)

const (
	// stopGrace is how long a program may take to stop.
	stopGrace = 10 * time.Second
	// patience is how long an answer is waited for that should come at once,
	// on a machine that is busy.
	patience = 20 * time.Second
)

// walk is one client on its way, with people of its own: Alice uses the
// client's main and second process, Bob a device of the runner.
type walk struct {
	run      *run
	manifest *program.Manifest
	client   program.Client
	number   int

	alice, bob, guarded device.Person // guarded has a password
	hermit              device.Person // is left alone in a soak

	proxy *tcpproxy.Proxy // between main and the gateway
	main  *program.Process
	can   abilities
	// connected says that the first key exchange was done.
	connected bool
	user      int64 // who has logged in at main; 0: nobody

	second     *program.Process
	secondUser int64

	peer     *device.Device // Bob's
	toAlice  *tg.InputPeerUser
	toHermit *tg.InputPeerUser
	peerLog  *os.File

	texts atomic.Int64
	calls chan error // calls that a restart meets, once they are over

	mu   sync.Mutex
	sent []string // texts that main has sent to Bob and that were answered
}

// abilities are what a library lacks, in the answer of "start".
type abilities struct {
	Cannot []string `json:"cannot"`
}

// What a library may lack.
const (
	cannotDifference = "difference" // it fetches nothing that it missed
	cannotResend     = "resend"     // a call whose connection ended is never sent again
	cannotNotice     = "notice"     // its next call alone tells that its login has ended
	cannotClock      = "clock"      // it does not follow the server's clock
	cannotPing       = "ping"       // it says nothing by itself, not even when it has connected again
)

func (a abilities) lack(what string) bool { return slices.Contains(a.Cannot, what) }

func newWalk(r *run, m *program.Manifest, c program.Client, number int) *walk {
	person := func(name string, role int) device.Person {
		return device.Person{Name: fmt.Sprintf("%s %d", name, number), Phone: fmt.Sprintf("+1555%04d%03d", number, role)}
	}
	return &walk{
		run: r, manifest: m, client: c, number: number,
		alice: person("Alice", 1), bob: person("Bob", 2), guarded: person("Grace", 3), hermit: person("Henry", 4),
	}
}

// file is a name of this client's own.
func (w *walk) file(what string) string {
	name := strings.Map(func(r rune) rune {
		if r == ' ' || r == '/' || r == '@' {
			return '-'
		}
		return r
	}, w.client.Name)
	return strings.Trim(strings.ToLower(name), "-") + what
}

// close ends what is left.
func (w *walk) close() {
	for _, p := range []*program.Process{w.main, w.second} {
		if p != nil {
			_ = p.Close(stopGrace) // how it ends was a step
		}
	}
	if w.peer != nil {
		w.peer.Close()
		_ = w.peerLog.Close()
	}
	if w.proxy != nil {
		w.proxy.Close()
	}
}

// process starts a program and connects it to addr, with the state that a
// name has.
func (w *walk) process(ctx context.Context, name, addr string, skew time.Duration) (*program.Process, abilities, error) {
	p, err := program.Start(program.Spec{
		Manifest: w.manifest, Bin: w.run.bin, Log: w.run.path("logs", w.file("."+name+".log")),
		Skew: skew, SkewScript: w.run.skew,
	})
	if err != nil {
		return nil, abilities{}, err
	}
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return p, abilities{}, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return p, abilities{}, err
	}
	dir := w.run.path("state", w.file("."+name))
	var can abilities
	err = p.Do(ctx, "start", map[string]any{
		"dir": dir, "host": host, "port": port, "dc": w.run.cluster.DC(), "entry": w.run.cluster.EntryAddr(),
		"key": w.run.key, "fingerprint": strconv.FormatInt(w.run.cluster.Fingerprint(), 10),
		"pfs": w.client.PFS, "release": w.client.Release,
		"api_id": device.AppID, "api_hash": device.AppHash, "device": w.model(name),
	}, &can)
	return p, can, err
}

// model is what the list of logins shows of a process.
func (w *walk) model(name string) string { return fmt.Sprintf("%s %d", name, w.number) }

type userAnswer struct {
	User int64 `json:"user"`
}

// login logs a process in.
func login(ctx context.Context, p *program.Process, who device.Person) (int64, error) {
	var a userAnswer
	err := p.Do(ctx, "login", map[string]any{"phone": who.Phone, "code": bff.DefaultCode, "name": who.Name, "password": password}, &a)
	if err == nil && a.User == 0 {
		err = errors.New("login: answered no user")
	}
	return a.User, err
}

// who asks a process who is logged in.
func who(ctx context.Context, p *program.Process) (int64, error) {
	var a userAnswer
	err := p.Do(ctx, "me", nil, &a)
	return a.User, err
}

// is expects a process to be logged in as a user.
func is(ctx context.Context, p *program.Process, user int64) error {
	got, err := who(ctx, p)
	if err == nil && got != user {
		err = fmt.Errorf("me: answered user %d, not %d", got, user)
	}
	return err
}

// invite brings in Bob, who finds Alice once she has an account.
func (w *walk) invite(ctx context.Context) (err error) {
	w.peerLog, err = os.OpenFile(w.run.path("logs", w.file(".peer.log")), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w.peer, err = w.connect(ctx, "Bob's phone")
	if err != nil {
		_ = w.peerLog.Close()
		return err
	}
	if err := w.peer.LogIn(ctx, w.bob, bff.DefaultCode, ""); err != nil {
		return err
	}
	return w.peer.Subscribe(ctx)
}

// connect starts a device of the runner, past the proxy.
func (w *walk) connect(ctx context.Context, model string) (*device.Device, error) {
	d, err := device.Connect(context.WithoutCancel(ctx), device.Config{
		Addr: w.run.cluster.Addr(), Key: w.run.cluster.PublicKey(), DC: w.run.cluster.DC(),
		Model: model, NoPFS: true, Online: w.run.cluster.Online, Log: w.peerLog,
	})
	if err != nil {
		return nil, err
	}
	if err := d.AwaitReady(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// text is a text that no other message has.
func (w *walk) text(about string) string {
	return fmt.Sprintf("%s %d.%d", about, w.number, w.texts.Add(1))
}

// fromBob sends Alice a message.
func (w *walk) fromBob(ctx context.Context, text string) error { return w.bobTo(ctx, w.toAlice, text) }

// bobTo sends somebody a message.
func (w *walk) bobTo(ctx context.Context, to *tg.InputPeerUser, text string) error {
	if err := w.peer.Send(ctx, to, text); err != nil {
		return fmt.Errorf("the peer's send: %w", err)
	}
	return nil
}

// hears has Bob send Alice a message and waits until a process has it, within
// a bound. It returns how long that took from the moment it was sent.
func (w *walk) hears(ctx context.Context, p *program.Process, about string, bound time.Duration) (time.Duration, error) {
	return w.reaches(ctx, p, w.toAlice, about, bound)
}

// reaches is hears for a process of whomever it is.
func (w *walk) reaches(ctx context.Context, p *program.Process, to *tg.InputPeerUser, about string, bound time.Duration) (time.Duration, error) {
	text := w.text(about)
	begin := time.Now()
	if err := w.bobTo(ctx, to, text); err != nil {
		return 0, err
	}
	err := w.awaits(ctx, p, text, bound)
	return time.Since(begin), err
}

// awaits waits until a process has a message, within a bound.
func (w *walk) awaits(ctx context.Context, p *program.Process, text string, bound time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	if err := p.AwaitText(limited, text); err != nil {
		return fmt.Errorf("the message %q did not come within %s: %w", text, bound, err)
	}
	return nil
}

// says has main send Bob a message, which he has to receive unchanged.
func (w *walk) says(ctx context.Context, text string) error {
	if err := w.main.Do(ctx, "send", map[string]any{"to": w.peer.Self.ID, "text": text}, nil); err != nil {
		return err
	}
	w.mu.Lock()
	w.sent = append(w.sent, text)
	w.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.peer.AwaitText(limited, text); err != nil {
		return fmt.Errorf("the peer's %w", err)
	}
	return nil
}

// recover makes a client whose step has failed fit for the next one: a process
// that answers nothing is started again, and who is logged out logs in.
func (w *walk) recover(ctx context.Context) {
	if w.user == 0 || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if is(short, w.main, w.user) == nil {
		return
	}
	w.main.Kill()
	var err error
	if w.main, _, err = w.process(ctx, "main", w.proxy.Addr(), 0); err != nil {
		return // the next step says so
	}
	if is(ctx, w.main, w.user) != nil {
		_, _ = login(ctx, w.main, w.alice)
	}
}
