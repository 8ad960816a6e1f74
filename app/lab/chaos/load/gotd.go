package load

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/gotd/td/session"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/device"
)

// gotdClient is a person with a client of gotd.
type gotdClient struct {
	name   string
	record *Record
	device *device.Device
	peers  map[string]*tg.InputPeerUser // by name; written before anything is sent
	reader *reader
	ending context.CancelFunc
	done   sync.WaitGroup
}

// Place is where clients connect.
type Place struct {
	Gateways []string
	Key      *rsa.PublicKey
	DC       int
}

// newGotd connects, logs in and follows updates.
func newGotd(ctx context.Context, at Place, record *Record, who device.Person, number int, log io.Writer) (*gotdClient, error) {
	life, cancel := context.WithCancel(context.Background())
	c := &gotdClient{name: who.Name, record: record, ending: cancel, peers: map[string]*tg.InputPeerUser{}}
	c.reader = newReader(record, who.Name)
	cfg := device.Config{
		Addr: at.Gateways[0], Key: at.Key, DC: at.DC, Model: who.Name, NoPFS: number%2 == 0,
		Dial:    at.dial(number),
		Storage: &storage{Storage: &session.StorageMemory{}, stored: c.reader.newSession},
		Updates: telegram.UpdateHandlerFunc(c.reader.raw),
		Dead:    func(error) { record.befell(c.name, check.Ended) },
		Log:     log,
	}
	var err error
	if c.device, err = device.Connect(life, cfg); err != nil {
		cancel()
		return nil, err
	}
	if err := c.device.AwaitReady(ctx); err != nil {
		c.close()
		return nil, err
	}
	if err := c.device.LogIn(ctx, who, bff.DefaultCode, ""); err != nil {
		c.close()
		return nil, err
	}
	ready := make(chan struct{})
	c.done.Go(func() {
		opt := updates.AuthOptions{OnStart: func(context.Context) { close(ready) }}
		err := c.reader.manager.Run(life, &fetcher{api: c.device.API, reader: c.reader}, c.device.Self.ID, opt)
		if life.Err() == nil {
			record.loggedOut(c.name, fmt.Errorf("it follows no updates any more: %w", err))
		}
	})
	c.done.Go(func() { c.reader.feed(life) })
	c.done.Go(func() {
		<-c.device.Done()
		if life.Err() == nil {
			record.loggedOut(c.name, errors.New("the library has given up"))
		}
	})
	select {
	case <-ready:
		return c, nil
	case <-ctx.Done():
		c.close()
		return nil, ctx.Err()
	}
}

// dial goes to the gateways in turn, each client beginning at another one.
func (p Place) dial(number int) func(ctx context.Context, network, _ string) (net.Conn, error) {
	var next atomic.Int64
	next.Store(int64(number))
	var dialer net.Dialer
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var errs []error
		for range p.Gateways {
			addr := p.Gateways[int(next.Load())%len(p.Gateways)]
			conn, err := dialer.DialContext(ctx, network, addr)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
			next.Add(1)
		}
		return nil, errors.Join(errs...)
	}
}

func (c *gotdClient) Name() string { return c.name }

// meet finds those that it will write to.
func (c *gotdClient) meet(ctx context.Context, names []string) error {
	for _, n := range names {
		if n == c.name {
			continue
		}
		peer, err := c.device.Find(ctx, n)
		if err != nil {
			return err
		}
		c.peers[n] = peer
	}
	return nil
}

func (c *gotdClient) send(ctx context.Context, to, text string) error {
	random, err := c.device.Client.RandInt64()
	if err != nil {
		return err
	}
	answer, err := c.device.API.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{Peer: c.peers[to], Message: text, RandomID: random})
	if err == nil {
		return c.reader.raw(ctx, answer) // the sender's own state moves on, too
	}
	if tgerr.IsCode(err, 401) {
		c.record.loggedOut(c.name, err)
	}
	if tgerr.Is(err, "RANDOM_ID_DUPLICATE") {
		return nil // an earlier call has sent it
	}
	return err
}

func (c *gotdClient) close() {
	c.ending()
	c.device.Close()
	c.done.Wait()
}

// storage tells of each session that the server has created: that is when gotd
// stores one.
type storage struct {
	session.Storage
	stored func()
}

// StoreSession implements session.Storage.
func (s *storage) StoreSession(ctx context.Context, data []byte) error {
	err := s.Storage.StoreSession(ctx, data)
	s.stored()
	return err
}

var _ client = (*gotdClient)(nil)

// told is how a message came, for those that were not pushed.
type told struct {
	mu   sync.Mutex
	how  map[string]check.How
	next check.How // of the next difference; empty: a gap
}

func (t *told) because(how check.How) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = how
}

// fetching begins a difference and returns why.
func (t *told) fetching() check.How {
	t.mu.Lock()
	defer t.mu.Unlock()
	how := t.next
	t.next = ""
	if how == "" {
		how = check.Gap
	}
	return how
}

// came notes how a message came, the first time that it does.
func (t *told) came(text string, how check.How) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.how[text]; !known {
		t.how[text] = how
	}
}

func (t *told) of(text string) check.How {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.how[text]
}
