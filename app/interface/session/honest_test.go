package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/session"
)

// crowd is honest clients that make one call each, in turn, and acknowledge its
// answer: some with a login, and a few that ask for the code of theirs.
type crowd struct {
	p      *process
	idle   chan *honest
	failed atomic.Int64
	first  atomic.Pointer[string] // what went wrong first
}

// honest is one of a crowd.
type honest struct {
	d    *device
	body []byte
	want func(result []byte) bool
	// results are the answers of its calls, by gateway.
	results chan message
}

// patience is how long a client waits for an answer before its call has failed.
const patience = 10 * time.Second

// badPhone is what the BFF says of every phone number.
const badPhone = "PHONE_NUMBER_INVALID"

// askCode is auth.sendCode.
func askCode(phone string) []byte {
	b := wire.AppendBytes(ids(0xa677244f), phone)
	return append(wire.AppendBytes(append(b, ids(1)...), "hash"), ids(0xad253d78, 0)...)
}

// crowd makes the clients, and waits until all of them are known to the node.
func (c *cluster) crowd(p *process, gate *mailGateway, logins, guests int) *crowd {
	c.bff.on("/mtproto.RPCUpdates/updates_getState", answerGetState)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	c.bff.on("/mtproto.RPCAuthorization/auth_sendCode", func(context.Context) ([]byte, error) { return nil, status.Error(400, badPhone) })
	all := &crowd{p: p, idle: make(chan *honest, logins+guests)}
	for i := range logins + guests {
		h := &honest{body: getUsers, results: make(chan message, 16)}
		h.want = func(result []byte) bool { return binary.LittleEndian.Uint32(result) == wire.IDVector }
		if perm := int64(1000 + i); i%((logins+guests)/guests) == 0 {
			h.d = c.device(c.auth.add(perm, 0, 0), 0, perm)
			h.body, h.want = askCode("1"), func(result []byte) bool { return bytes.Contains(result, []byte(badPhone)) }
		} else {
			h.d = c.user(perm, 1_000_000+perm)
			first := &honest{d: h.d, body: getState, results: h.results, want: func([]byte) bool { return true }}
			gate.on(h.d.session, first.hear)
			all.call(first)
		}
		gate.on(h.d.session, h.hear)
		all.call(h)
		all.idle <- h
	}
	return all
}

func (h *honest) hear(m message) {
	if m.constructor() == rpcResult {
		h.results <- m
	}
}

// call makes a call and acknowledges its answer; it tells how long that took.
func (all *crowd) call(h *honest) time.Duration {
	begin := time.Now()
	if !all.post(h.d.message(h.body, true)) {
		return patience
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for id := h.d.last; ; {
		select {
		case m := <-h.results:
			if !resultOf(m, id) {
				continue // of a call that was given up
			}
			took := time.Since(begin)
			if !h.want(m.body[12:]) {
				all.fail(string(m.body[12:]))
			}
			all.post(h.d.message(ackOf(m.id), false))
			return took
		case <-late.C:
			all.fail("no answer")
			return patience
		}
	}
}

func (all *crowd) post(d *session.SessionClientData) bool {
	_, err := all.p.rpc.SessionSendDataToSession(context.Background(), &session.TLSessionSendDataToSession{Data: d})
	if err != nil {
		all.fail(err.Error())
	}
	return err == nil
}

func (all *crowd) fail(why string) {
	all.failed.Add(1)
	all.first.CompareAndSwap(nil, &why)
}

// live has the crowd make so many calls a second, for a while, and returns how long
// they took, sorted.
func (all *crowd) live(rate int, spell time.Duration) (took []time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range int(spell.Seconds() * float64(rate)) {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		h := <-all.idle
		wg.Go(func() {
			d := all.call(h)
			mu.Lock()
			took = append(took, d)
			mu.Unlock()
			all.idle <- h
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took
}

// blameless fails the benchmark if a call of the crowd was refused or went wrong.
func (all *crowd) blameless(tb testing.TB) {
	tb.Helper()
	if n := all.failed.Load(); n > 0 {
		tb.Errorf("%d honest calls failed, the first one with %q", n, *all.first.Load())
	}
}
