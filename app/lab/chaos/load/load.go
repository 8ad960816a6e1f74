package load

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/device"
	"github.com/tgsession/tgsession/app/lab/gateway"
)

const (
	// pairs are of gotd, who talk all the time; mtcutePairs are of mtcute.
	pairs       = 2
	mtcutePairs = 1

	// sendTimeout is how long an answer is waited for. gotd waits for ever for
	// that to a call which a node has taken and lost.
	sendTimeout = 15 * time.Second
	// leave is how long somebody is left alone between two messages: longer than
	// check.Patience, or the later one would show that one is missing.
	leave = check.Patience + 10*time.Second
)

// client is a person who can write to others.
type client interface {
	Name() string
	meet(ctx context.Context, names []string) error
	send(ctx context.Context, to, text string) error
	close()
}

// Config of a Load.
type Config struct {
	Place  Place
	Record *Record
	// Dir is where clients keep what they keep; their logs go to Dir/logs.
	Dir string
	// Programs is the folder with the client programs. Empty: no mtcute.
	Programs string
	// Pace is between two messages of one sender.
	Pace time.Duration
	// Alone is how many of gotd get a message now and then, and say nothing.
	Alone int
	// Note takes what is left out, and why.
	Note func(string)
}

// Load is the clients. Its methods are for one goroutine.
type Load struct {
	cfg     Config
	log     *os.File
	talking []client // in pairs
	alone   []*left
	ending  context.CancelFunc
	working sync.WaitGroup
	texts   int
}

// left is somebody who is left alone.
type left struct {
	client
	last time.Time // a message to them
}

// Start brings everybody in, and has those who talk begin. It is to be closed.
func Start(ctx context.Context, cfg Config) (_ *Load, err error) {
	l := &Load{cfg: cfg, ending: func() {}}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	l.log, err = os.OpenFile(filepath.Join(cfg.Dir, "logs", "gotd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := l.bringIn(ctx); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range l.all() {
		names = append(names, c.Name())
	}
	for _, c := range l.talking {
		if err := c.meet(ctx, names); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
	}
	var life context.Context
	life, l.ending = context.WithCancel(context.Background())
	for i, c := range l.talking {
		l.working.Go(func() { l.talk(life, c, l.talking[i^1].Name()) })
	}
	return l, nil
}

func (l *Load) all() []client {
	out := append([]client(nil), l.talking...)
	for _, a := range l.alone {
		out = append(out, a.client)
	}
	return out
}

// bringIn logs everybody in.
func (l *Load) bringIn(ctx context.Context) error {
	number := 0
	person := func(name string) device.Person {
		number++
		return device.Person{Name: fmt.Sprint(name, " ", number), Phone: fmt.Sprintf("+1555%07d", number)}
	}
	gotd := func(name string) (*gotdClient, error) {
		who := person(name)
		c, err := newGotd(ctx, l.cfg.Place, l.cfg.Record, who, number, io.Writer(l.log))
		if err != nil {
			return nil, fmt.Errorf("load: %s: %w", who.Name, err)
		}
		return c, nil
	}
	for range 2 * pairs {
		c, err := gotd("gotd")
		if err != nil {
			return err
		}
		l.talking = append(l.talking, c)
	}
	for range l.cfg.Alone {
		c, err := gotd("alone")
		if err != nil {
			return err
		}
		l.alone = append(l.alone, &left{client: c})
	}
	if l.cfg.Programs == "" {
		l.cfg.Note("mtcute is left out")
		return nil
	}
	manifest, missing := prepareMtcute(ctx, l.cfg.Programs, l.cfg.Dir)
	if manifest == nil {
		l.cfg.Note("mtcute is left out: " + missing)
		return nil
	}
	start := mtcuteStart{
		manifest: manifest, dir: l.cfg.Dir, pem: string(gateway.PublicPEM(l.cfg.Place.Key)), print: crypto.RSAFingerprint(l.cfg.Place.Key),
	}
	for range 2 * mtcutePairs {
		who := person("mtcute")
		c, err := newMtcute(ctx, l.cfg.Place, l.cfg.Record, who, number, start)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		l.talking = append(l.talking, c)
	}
	return nil
}

// talk sends one message after the other, without waiting for answers: when one
// does not come the next ones show when calls are well again.
func (l *Load) talk(ctx context.Context, c client, to string) {
	tick := time.NewTicker(l.cfg.Pace)
	defer tick.Stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			text := fmt.Sprintf("%s: %d", c.Name(), n)
			calls.Go(func() { l.say(c, to, text) })
		case <-ctx.Done():
			return
		}
	}
}

func (l *Load) say(c client, to, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	s := check.Send{Text: text, From: c.Name(), To: to, Began: time.Now()}
	if err := c.send(ctx, to, text); err != nil {
		s.Err = err.Error()
	}
	s.Done = time.Now()
	l.cfg.Record.sent(s)
}

// Tell sends a message to somebody who was left alone for long enough, if there
// is one, and does not wait for the answer.
func (l *Load) Tell() {
	for i, a := range l.alone {
		if time.Since(a.last) < leave {
			continue
		}
		a.last = time.Now()
		l.texts++
		from := l.talking[l.texts%(2*pairs)]
		text := fmt.Sprintf("to %s: %d", a.Name(), l.texts)
		l.alone = append(append(l.alone[:i:i], l.alone[i+1:]...), a) // the longest alone is first
		l.working.Go(func() { l.say(from, a.Name(), text) })
		return
	}
}

// Settle has nobody say more, and returns when every message that was taken was
// seen, or check.Patience after the last.
func (l *Load) Settle(ctx context.Context) {
	l.ending()
	l.working.Wait()
	ctx, cancel := context.WithTimeout(ctx, check.Patience+5*time.Second)
	defer cancel()
	for {
		n, changed := l.cfg.Record.waiting()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Close disconnects everybody.
func (l *Load) Close() {
	l.ending()
	l.working.Wait()
	var closing sync.WaitGroup
	for _, c := range l.all() {
		closing.Go(c.close)
	}
	closing.Wait()
	if l.log != nil {
		_ = l.log.Close()
	}
}
