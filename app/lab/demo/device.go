package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/tg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What gotd logs at the milestones of a connection: nothing else of it tells
// them apart.
const (
	permMade  = "Permanent auth key generated"
	tempMade  = "Temporary auth key generated"
	tempBound = "Temporary auth key bound"
)

// device is one client with its own keys.
type device struct {
	model   string
	client  *telegram.Client
	api     *tg.Client
	storage session.Loader
	online  func(context.Context, int64) ([]int64, error)
	self    *tg.User
	logins  int // auth.signIn calls it took so far

	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed

	mu      sync.Mutex
	changed chan struct{} // closed at each change of what follows
	ready   bool
	marks   map[string]int
	texts   []string // of new messages, as they were pushed
}

// connect starts a device; its milestones are waited for one by one. Its model
// is a name of this run alone.
func connect(ctx context.Context, t Target, name string) (*device, error) {
	model := name + " " + rand.Text()[:6]
	host, portText, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return nil, fmt.Errorf("address of the gateway: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("address of the gateway: %w", err)
	}
	storage := &session.StorageMemory{}
	d := &device{model: model, storage: session.Loader{Storage: storage}, online: t.Online, done: make(chan struct{}), changed: make(chan struct{}), marks: map[string]int{}}
	log := io.Discard
	if t.ClientLog != nil {
		log = t.ClientLog
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(log)), zap.InfoLevel)
	d.client = telegram.NewClient(appID, appHash, telegram.Options{
		PublicKeys:     []telegram.PublicKey{{RSA: t.Key}},
		DC:             t.DC,
		DCList:         dcs.List{Options: []tg.DCOption{{ID: t.DC, IPAddress: host, Port: port}}},
		Resolver:       dcs.Plain(dcs.PlainOptions{Protocol: t.Protocol}),
		EnablePFS:      true,
		SessionStorage: storage,
		UpdateHandler:  telegram.UpdateHandlerFunc(d.update),
		Device:         telegram.DeviceConfig{DeviceModel: model, SystemVersion: "1.0", AppVersion: "1.0", SystemLangCode: "en", LangPack: "tdesktop", LangCode: "en"},
		RetryInterval:  2 * time.Second,
		MaxRetries:     10,
		Logger: zap.New(core, zap.Fields(zap.String("device", model)), zap.Hooks(func(e zapcore.Entry) error {
			d.change(func() { d.marks[e.Message]++ })
			return nil
		})),
	})
	d.api = d.client.API()
	ctx, d.cancel = context.WithCancel(ctx)
	go func() {
		defer close(d.done)
		d.err = d.client.Run(ctx, func(ctx context.Context) error {
			d.change(func() { d.ready = true })
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	return d, nil
}

// close disconnects the device.
func (d *device) close() {
	d.cancel()
	<-d.done
}

func (d *device) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// await returns when cond, evaluated under the lock, holds.
func (d *device) await(ctx context.Context, what string, cond func() bool) error {
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
			return fmt.Errorf("%s: %w before: %s", d.model, errors.Join(errors.New("disconnected"), d.err), what)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w while waiting for: %s", d.model, ctx.Err(), what)
		}
	}
}

func (d *device) awaitMark(ctx context.Context, mark string) error {
	return d.await(ctx, mark, func() bool { return d.marks[mark] > 0 })
}

// update keeps the texts of new messages.
func (d *device) update(_ context.Context, u tg.UpdatesClass) error {
	all, ok := u.(*tg.Updates)
	if !ok {
		return nil
	}
	for _, up := range all.Updates {
		if m, ok := up.(*tg.UpdateNewMessage); ok {
			if msg, ok := m.Message.(*tg.Message); ok {
				d.change(func() { d.texts = append(d.texts, msg.Message) })
			}
		}
	}
	return nil
}

// awaitText returns when a message of that text has been pushed.
func (d *device) awaitText(ctx context.Context, text string) error {
	return d.await(ctx, "the push of "+strconv.Quote(text), func() bool { return d.has(text) })
}

func (d *device) has(text string) bool {
	for _, t := range d.texts {
		if t == text {
			return true
		}
	}
	return false
}

// marked tells whether the client has reached a milestone.
func (d *device) marked(mark string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.marks[mark] > 0
}

// received tells whether a message of that text has been pushed so far.
func (d *device) received(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.has(text)
}
