package device

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gotd/td/clock"
	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Milestones of a connection, in the words in which gotd logs them: nothing
// else of it tells them apart.
const (
	PermMade  = "Permanent auth key generated"
	TempMade  = "Temporary auth key generated"
	TempBound = "Temporary auth key bound"
)

// What clients say of themselves. The lab's BFF asks for neither.
const (
	AppID   = 1
	AppHash = "demo"
)

// Config says where the cluster is and what the device is like. Addr, Key and
// DC are needed; the zero value of the others means their documented default.
type Config struct {
	// Addr is where clients connect, host:port with a numeric host.
	Addr string
	// Key is the gateway's RSA key.
	Key *rsa.PublicKey
	// DC is the id of the data centre.
	DC int
	// Model is what the list of logins shows.
	Model string

	// Protocol is the transport. Nil means intermediate.
	Protocol dcs.Protocol
	// Dial makes connections. Nil means to dial what the cluster says in
	// help.getConfig, which it is asked for at Addr.
	Dial dcs.DialFunc
	// NoPFS leaves out temporary keys.
	NoPFS bool
	// Storage keeps the auth key. Nil means memory.
	Storage session.Storage
	// Clock is the device's. Nil means the machine's.
	Clock clock.Clock
	// Updates takes what is pushed, in place of Received and AwaitText.
	Updates telegram.UpdateHandler
	// Dead hears that a connection has ended.
	Dead func(error)
	// Online returns the perm keys of a user that the status service knows to
	// be online. Nil: Subscribe does not wait for that service.
	Online func(ctx context.Context, userID int64) ([]int64, error)
	// Log takes gotd's log. Nil means nothing.
	Log io.Writer
}

// Device is one client with its own keys. Its methods are safe for concurrent
// use; Self and Logins belong to who calls SignIn.
type Device struct {
	Client *telegram.Client
	API    *tg.Client
	Self   *tg.User // who has logged in; nil before
	Logins int      // auth.signIn calls it took so far

	cfg     Config
	storage session.Loader
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // valid once done is closed

	mu      sync.Mutex
	changed chan struct{} // closed at each change of what follows
	ready   bool
	marks   map[string]int
	texts   []string // of new messages, as they were pushed
}

// Connect starts a device that lives until Close or the end of ctx; its
// milestones are waited for one by one. The error is a mistake in cfg.
func Connect(ctx context.Context, cfg Config) (*Device, error) {
	host, portText, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("address of the gateway: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("address of the gateway: %w", err)
	}
	if cfg.Storage == nil {
		cfg.Storage = &session.StorageMemory{}
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	d := &Device{
		cfg: cfg, storage: session.Loader{Storage: cfg.Storage},
		done: make(chan struct{}), changed: make(chan struct{}), marks: map[string]int{},
	}
	if cfg.Updates == nil {
		cfg.Updates = telegram.UpdateHandlerFunc(d.update)
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(cfg.Log)), zap.InfoLevel)
	d.Client = telegram.NewClient(AppID, AppHash, telegram.Options{
		PublicKeys:     []telegram.PublicKey{{RSA: cfg.Key}},
		DC:             cfg.DC,
		DCList:         dcs.List{Options: []tg.DCOption{{ID: cfg.DC, IPAddress: host, Port: port}}},
		Resolver:       dcs.Plain(dcs.PlainOptions{Protocol: cfg.Protocol, Dial: cfg.Dial}),
		EnablePFS:      !cfg.NoPFS,
		SessionStorage: cfg.Storage,
		UpdateHandler:  cfg.Updates,
		Clock:          cmp.Or[clock.Clock](cfg.Clock, clock.System),
		OnDead:         cfg.Dead,
		Device:         telegram.DeviceConfig{DeviceModel: cfg.Model, SystemVersion: "1.0", AppVersion: "1.0", SystemLangCode: "en", LangPack: "tdesktop", LangCode: "en"},
		RetryInterval:  2 * time.Second,
		MaxRetries:     10,
		Logger: zap.New(core, zap.Fields(zap.String("device", cfg.Model)), zap.Hooks(func(e zapcore.Entry) error {
			d.change(func() { d.marks[e.Message]++ })
			return nil
		})),
	})
	d.API = d.Client.API()
	ctx, d.cancel = context.WithCancel(ctx)
	go func() {
		defer close(d.done)
		d.err = d.Client.Run(ctx, func(ctx context.Context) error {
			d.change(func() { d.ready = true })
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	return d, nil
}

// Close disconnects the device.
func (d *Device) Close() {
	d.cancel()
	<-d.done
}

// Model is what the list of logins shows.
func (d *Device) Model() string { return d.cfg.Model }

// Done is closed when the device has disconnected for good: it was closed, or
// its login has ended.
func (d *Device) Done() <-chan struct{} { return d.done }

func (d *Device) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// await returns when cond, evaluated under the lock, holds.
func (d *Device) await(ctx context.Context, what string, cond func() bool) error {
	for {
		d.mu.Lock()
		ok, changed := cond(), d.changed
		d.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-d.done:
			return fmt.Errorf("%s: %w before: %s", d.cfg.Model, errors.Join(errors.New("disconnected"), d.err), what)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w while waiting for: %s", d.cfg.Model, ctx.Err(), what)
		}
	}
}

// AwaitReady returns when the device has had its first answer, which is the
// one of help.getConfig.
func (d *Device) AwaitReady(ctx context.Context) error {
	return d.await(ctx, "the first help.getConfig", func() bool { return d.ready })
}

// AwaitMark returns when the device has reached a milestone.
func (d *Device) AwaitMark(ctx context.Context, mark string) error {
	return d.await(ctx, mark, func() bool { return d.marks[mark] > 0 })
}

// Marked tells whether the device has reached a milestone.
func (d *Device) Marked(mark string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.marks[mark] > 0
}

// update keeps the texts of new messages.
func (d *Device) update(_ context.Context, u tg.UpdatesClass) error {
	for _, m := range Messages(u) {
		d.change(func() { d.texts = append(d.texts, m.Message) })
	}
	return nil
}

// Messages are the new messages among updates.
func Messages(u tg.UpdatesClass) (found []*tg.Message) {
	all, ok := u.(*tg.Updates)
	if !ok {
		return nil
	}
	for _, up := range all.Updates {
		if m, ok := up.(*tg.UpdateNewMessage); ok {
			if msg, ok := m.Message.(*tg.Message); ok {
				found = append(found, msg)
			}
		}
	}
	return found
}

// AwaitText returns when a message of that text has been pushed.
func (d *Device) AwaitText(ctx context.Context, text string) error {
	return d.await(ctx, "the push of "+strconv.Quote(text), func() bool { return slices.Contains(d.texts, text) })
}

// Received tells how often a message of that text has been pushed so far.
func (d *Device) Received(text string) (times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.texts {
		if t == text {
			times++
		}
	}
	return times
}
