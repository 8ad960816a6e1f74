package bench

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

const (
	answerTimeout = 10 * time.Second
	acksAtOnce    = 8
	marker        = "tgsession bench " // before the name of a push in its text
	nameBytes     = 8
)

// user is the two devices with one number, and what they sent each other.
type user struct {
	phone string

	mu      sync.Mutex
	pending map[string]time.Time // pushes that have not arrived, by name
}

func (u *user) sent(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		u.pending = map[string]time.Time{}
	}
	u.pending[name] = time.Now()
}

// arrived takes a push off the books.
func (u *user) arrived(name string) (sent time.Time, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	sent, ok = u.pending[name]
	delete(u.pending, name)
	return sent, ok
}

// lost forgets what has not arrived, and says how much that was.
func (u *user) lost() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n = len(u.pending)
	u.pending = nil
	return n
}

func (u *user) waits() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.pending) > 0
}

// client is one connection with one session of a key of its own.
type client struct {
	r    *run
	s    *wire.Session
	user *user
	acks []int64
}

// newClient makes a key and a session, and logs in where there is a number. On
// an error nothing is left open.
func (r *run) newClient(ctx context.Context, u *user) (*client, error) {
	key, err := wire.Connect(ctx, r.Addr, r.Key, r.DC, 0)
	if err != nil {
		return nil, err
	}
	conn, err := wire.Dial(ctx, r.Addr, wire.Intermediate, false, r.DC)
	if err != nil {
		return nil, err
	}
	c := &client{r: r, s: wire.NewSession(conn, key), user: u}
	if err := c.begin(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) begin() error {
	if _, err := c.call(initialised(&tg.HelpGetNearestDCRequest{})); err != nil {
		return err
	}
	if c.user.phone == "" {
		return nil
	}
	if err := c.logIn(); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	// From here on the session takes updates (core.telegram.org/api/updates).
	_, err := c.call(&tg.UpdatesGetStateRequest{})
	return err
}

func initialised(query bin.Object) bin.Encoder {
	return &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: &tg.InitConnectionRequest{
		APIID: 4, DeviceModel: "Bench", SystemVersion: "1", AppVersion: "1.0", SystemLangCode: "en", LangCode: "en", Query: query,
	}}
}

// logIn signs in; an unknown number is signed up.
func (c *client) logIn() error {
	answer, err := c.call(&tg.AuthSendCodeRequest{PhoneNumber: c.user.phone, APIID: 4, APIHash: "-"})
	if err != nil {
		return err
	}
	sent, err := tg.DecodeAuthSentCode(&bin.Buffer{Buf: answer})
	if err != nil {
		return err
	}
	code, ok := sent.(*tg.AuthSentCode)
	if !ok {
		return fmt.Errorf("auth.sendCode was answered %s", sent.TypeName())
	}
	in := &tg.AuthSignInRequest{PhoneNumber: c.user.phone, PhoneCodeHash: code.PhoneCodeHash}
	in.SetPhoneCode(c.r.Code)
	if answer, err = c.call(in); err != nil {
		return err
	}
	if a, err := tg.DecodeAuthAuthorization(&bin.Buffer{Buf: answer}); err != nil {
		return err
	} else if _, ok := a.(*tg.AuthAuthorization); ok {
		return nil
	}
	_, err = c.call(&tg.AuthSignUpRequest{PhoneNumber: c.user.phone, PhoneCodeHash: code.PhoneCodeHash, FirstName: "Bench"})
	return err
}

// work puts on this client's part of the load, until its end.
func (c *client) work(ctx context.Context) {
	var pause time.Duration // between two beginnings
	if c.r.Rate > 0 {
		pause = time.Duration(float64(c.r.Clients) / c.r.Rate * float64(time.Second))
	}
	next := time.Now()
	if pause > 0 {
		next = next.Add(time.Duration(wire.RandomLong()&0xffff) * pause >> 16) // not all at once
	}
	for ctx.Err() == nil {
		if err := c.listen(next, func() bool { return false }); err != nil {
			c.r.results.fail(Ping, 1)
			return
		}
		begin := time.Now()
		if !begin.Before(c.r.end) {
			break
		}
		next = begin
		if pause > 0 {
			next = begin.Add(pause)
		}
		kind := c.r.Mix.pick()
		err := c.do(kind)
		switch {
		case err != nil:
			c.r.results.fail(kind, 1)
			if !errors.Is(err, errRefused) {
				return // the connection is of no more use
			}
		case kind != Push:
			c.r.results.add(kind, time.Since(begin))
		}
	}
	_ = c.listen(time.Now().Add(grace), func() bool { return !c.user.waits() })
}

// do does one thing and waits for its answer.
func (c *client) do(k Kind) (err error) {
	switch k {
	case Ping:
		_, err = c.ask(&mt.PingRequest{PingID: wire.RandomLong()})
	case Push:
		name := hex.EncodeToString(binaryName())
		c.user.sent(name)
		_, err = c.call(&tg.MessagesSendMessageRequest{Peer: &tg.InputPeerSelf{}, Message: marker + name, RandomID: wire.RandomLong()})
		if err != nil {
			c.user.arrived(name)
		}
	default:
		_, err = c.call(&tg.HelpGetNearestDCRequest{})
	}
	return err
}

func binaryName() []byte {
	var b bin.Buffer
	b.PutLong(wire.RandomLong())
	return b.Buf
}

// errRefused is an answer that is an error: the connection goes on.
var errRefused = errors.New("refused")

// call makes an API call and returns its result.
func (c *client) call(e bin.Encoder) ([]byte, error) {
	m, err := c.ask(e)
	if err != nil {
		return nil, err
	}
	result, _, err := wire.Inflate(m.Body[12:]) // behind constructor and req_msg_id; not shorter, wire says
	if err != nil {
		return nil, err
	}
	var refusal mt.RPCError
	if refusal.Decode(&bin.Buffer{Buf: result}) == nil {
		return nil, fmt.Errorf("%w: %d %s", errRefused, refusal.ErrorCode, refusal.ErrorMessage)
	}
	return result, nil
}

// ask sends a content message and returns the one that answers it. A salt that
// has ended is replaced by the one the server names.
func (c *client) ask(e bin.Encoder) (answer wire.Message, err error) {
	var b bin.Buffer
	if err := e.Encode(&b); err != nil {
		return answer, err
	}
	for range 2 {
		id, err := c.s.Post(b.Buf, true)
		if err != nil {
			return answer, err
		}
		err = c.listenFor(time.Now().Add(answerTimeout), func(m wire.Message) bool {
			switch m.Type() {
			case mt.RPCResultTypeID, mt.PongTypeID, mt.BadServerSaltTypeID, mt.BadMsgNotificationTypeID:
				answer = m
				return m.Long(0) == id
			}
			return false
		})
		switch {
		case err != nil:
			return answer, err
		case answer.Type() == mt.BadMsgNotificationTypeID:
			return answer, fmt.Errorf("%w: bad_msg_notification", errRefused)
		case answer.Type() == mt.BadServerSaltTypeID:
			var bad mt.BadServerSalt
			if err := bad.Decode(&bin.Buffer{Buf: answer.Body}); err != nil {
				return answer, err
			}
			c.s.Salt = bad.NewServerSalt
		default:
			return answer, nil
		}
	}
	return answer, fmt.Errorf("%w: no salt is good", errRefused)
}

// listen takes what comes until a time, or until it is enough.
func (c *client) listen(until time.Time, enough func() bool) error {
	for !enough() && time.Now().Before(until) {
		step := until
		if soon := time.Now().Add(50 * time.Millisecond); soon.Before(step) {
			step = soon // enough may become true without a message
		}
		err := c.listenFor(step, func(wire.Message) bool { return enough() })
		if err != nil && !errors.Is(err, wire.ErrTimeout) {
			return err
		}
	}
	return nil
}

// listenFor takes what comes until a message fits, and acknowledges it.
func (c *client) listenFor(deadline time.Time, fits func(wire.Message) bool) error {
	for {
		m, err := c.s.Next(deadline)
		if err != nil {
			return err
		}
		c.take(m)
		if m.Seq&1 == 1 {
			c.acks = append(c.acks, m.ID)
		}
		if len(c.acks) >= acksAtOnce {
			var b bin.Buffer
			if err := (&mt.MsgsAck{MsgIDs: c.acks}).Encode(&b); err != nil {
				return err
			}
			c.acks = c.acks[:0]
			if _, err := c.s.Post(b.Buf, false); err != nil {
				return err
			}
		}
		if fits(m) {
			return nil
		}
	}
}

// take notes a push that arrived.
func (c *client) take(m wire.Message) {
	if m.Type() == mt.RPCResultTypeID {
		return // the sender's own copy
	}
	_, rest, found := bytes.Cut(m.Body, []byte(marker))
	if !found || len(rest) < 2*nameBytes {
		return
	}
	if sent, ok := c.user.arrived(string(rest[:2*nameBytes])); ok {
		c.r.results.add(Push, time.Since(sent))
	}
}
