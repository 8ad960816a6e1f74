package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/clock"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tgsession/tgsession/app/lab/device"
)

// poolSize is how many connections calls and files go through.
const poolSize = 4

// startArgs are the arguments of "start".
type startArgs struct {
	Dir    string `json:"dir"`
	Host   string `json:"host"`
	Port   int    `json:"port"`
	DC     int    `json:"dc"`
	Key    string `json:"key"`
	PFS    bool   `json:"pfs"`
	Device string `json:"device"`
}

// client is the program's one client.
type client struct {
	say    func(any)
	ending sync.WaitGroup

	mu      sync.Mutex
	args    startArgs
	dev     *device.Device
	pool    telegram.CloseInvoker
	manager *updates.Manager
	follow  func() // ends the manager; nil while nobody is logged in
	stopped bool
	peers   map[int64]*tg.InputPeerUser // contacts by user id
	files   []tg.InputFileLocationClass
}

// do carries out a request.
func (c *client) do(ctx context.Context, r request) (any, error) {
	if r.Do == "start" {
		return call(ctx, r, c.start)
	}
	if _, err := c.device(ctx); err != nil {
		return nil, err
	}
	switch r.Do {
	case "login":
		return call(ctx, r, c.login)
	case "me":
		return call(ctx, r, c.me)
	case "contacts":
		return call(ctx, r, c.contacts)
	case "dialogs":
		return call(ctx, r, c.dialogs)
	case "send":
		return call(ctx, r, c.send)
	case "history":
		return call(ctx, r, c.history)
	case "calls":
		return call(ctx, r, c.calls)
	case "upload":
		return call(ctx, r, c.upload)
	case "download":
		return call(ctx, r, c.download)
	case "sessions":
		return call(ctx, r, c.sessions)
	case "end":
		return call(ctx, r, c.end)
	case "logout":
		return call(ctx, r, c.logout)
	default:
		return nil, fmt.Errorf("unsupported: %s", r.Do)
	}
}

// call reads the arguments of a request and hands them to f.
func call[A, R any](ctx context.Context, r request, f func(context.Context, A) (R, error)) (any, error) {
	var args A
	if err := json.Unmarshal(r.Args, &args); err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", r.Do, err)
	}
	return f(ctx, args)
}

type none struct{}

type started struct {
	Cannot []string `json:"cannot"`
}

// start connects, and returns when the first call was answered. gotd takes no
// message that its own clock finds too old or too new, and trusts in a call
// that was acknowledged: when the server has lost it, it waits for ever.
func (c *client) start(ctx context.Context, args startArgs) (started, error) {
	c.mu.Lock()
	c.args = args
	c.mu.Unlock()
	_, err := c.device(ctx)
	return started{[]string{"clock", "resend"}}, err
}

// device returns the device that calls go to: a new one, with the key of the
// old one, when that has ended. gotd gives up a client whose login has ended.
func (c *client) device(ctx context.Context) (*device.Device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, errors.New("stopped")
	}
	if c.dev != nil {
		select {
		case <-c.dev.Done():
		default:
			return c.dev, nil
		}
	}
	if c.args.Dir == "" {
		return nil, errors.New("not started")
	}
	c.close()
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	// The device outlives the request.
	dev, err := device.Connect(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, err
	}
	if err := dev.AwaitReady(ctx); err != nil {
		dev.Close()
		return nil, err
	}
	c.dev = dev
	c.say(event{Event: "connected"})
	if c.pool, err = dev.Client.Pool(poolSize); err != nil {
		return nil, err
	}
	// A key that was kept may be logged in.
	if self, err := dev.Client.Self(ctx); err == nil {
		c.loggedIn(self)
	}
	return dev, nil
}

func (c *client) config() (cfg device.Config, err error) {
	if err := os.MkdirAll(c.args.Dir, 0o700); err != nil {
		return cfg, err
	}
	key, err := crypto.ParseRSAPublicKeys([]byte(c.args.Key))
	if err != nil {
		return cfg, err
	}
	if len(key) != 1 {
		return cfg, fmt.Errorf("%d RSA keys", len(key))
	}
	skew, err := skew()
	if err != nil {
		return cfg, err
	}
	c.manager = updates.New(updates.Config{Handler: telegram.UpdateHandlerFunc(c.update)})
	addr := net.JoinHostPort(c.args.Host, strconv.Itoa(c.args.Port))
	var dialer net.Dialer
	return device.Config{
		Addr: addr,
		// Addr may be a proxy of the runner's, which help.getConfig knows
		// nothing of.
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
		Key:     key[0],
		DC:      c.args.DC,
		Model:   c.args.Device,
		NoPFS:   !c.args.PFS,
		Storage: &session.FileStorage{Path: filepath.Join(c.args.Dir, "session.json")},
		Clock:   skew,
		Updates: c.manager,
		Dead:    func(error) { c.say(event{Event: "disconnected"}) },
		Log:     os.Stderr,
	}, nil
}

// skewedClock is a clock that is ahead.
type skewedClock struct {
	clock.Clock
	ahead time.Duration
}

func (c skewedClock) Now() time.Time { return c.Clock.Now().Add(c.ahead) }

func skew() (clock.Clock, error) {
	text := os.Getenv("CLOCK_SKEW_SECONDS")
	if text == "" {
		return clock.System, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("CLOCK_SKEW_SECONDS: %w", err)
	}
	return skewedClock{clock.System, time.Duration(seconds) * time.Second}, nil
}

// loggedIn begins to follow updates. The lock is held.
func (c *client) loggedIn(self *tg.User) {
	if c.follow != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	manager, api := c.manager, tg.NewClient(watched{c, c.dev.API.Invoker()})
	done, ready := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := manager.Run(ctx, api, self.ID, updates.AuthOptions{OnStart: func(context.Context) { close(ready) }})
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "gotd: following updates:", err)
		}
	}()
	select {
	case <-ready:
	case <-done:
	}
	c.follow = func() { cancel(); <-done; manager.Reset() }
}

// loggedOut ends following updates. The lock is held.
func (c *client) loggedOut() {
	if c.follow != nil {
		c.follow()
		c.follow = nil
	}
}

// close ends the device. The lock is held.
func (c *client) close() {
	c.loggedOut()
	if c.pool != nil {
		_ = c.pool.Close()
		c.pool = nil
	}
	if c.dev != nil {
		c.dev.Close()
		c.dev = nil
	}
}

func (c *client) stop() {
	c.mu.Lock()
	c.stopped = true
	c.close()
	c.mu.Unlock()
	c.ending.Wait()
}

// update tells of messages of others.
func (c *client) update(_ context.Context, u tg.UpdatesClass) error {
	for _, m := range device.Messages(u) {
		if m.Out {
			continue
		}
		from, _ := m.GetFromID()
		user, ok := from.(*tg.PeerUser)
		if !ok {
			continue
		}
		c.say(event{Event: "message", From: user.UserID, Text: m.Message})
	}
	return nil
}

// watched notices the end of the login in what is answered.
type watched struct {
	c  *client
	to tg.Invoker
}

func (w watched) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	return w.c.noticed(w.to.Invoke(ctx, in, out))
}

// pooled invokes through the pool.
type pooled struct{ c *client }

func (p pooled) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	p.c.mu.Lock()
	pool := p.c.pool
	p.c.mu.Unlock()
	if pool == nil {
		return errors.New("not connected")
	}
	return p.c.noticed(pool.Invoke(ctx, in, out))
}

// noticed tells when an answer says that the login has ended. Who follows
// updates may have asked, so it is not waited for here.
func (c *client) noticed(err error) error {
	if !tgerr.Is(err, "AUTH_KEY_UNREGISTERED", "SESSION_REVOKED") {
		return err
	}
	c.ending.Go(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.follow != nil {
			c.loggedOut()
			c.say(event{Event: "logged_out"})
		}
	})
	return err
}
