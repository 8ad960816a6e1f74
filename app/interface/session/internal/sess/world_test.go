package sess

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

var loadSchema = sync.OnceValues(func() (*tl.Schema, error) { return tl.Load(tl.Default) })

func testSchema(t testing.TB) *tl.Schema {
	t.Helper()
	s, err := loadSchema()
	require.NoError(t, err)
	return s
}

const (
	permKey  = 1000
	tempKey  = 2000
	mediaKey = 3000
	alice    = 77 // the user
	epoch    = int64(1_700_000_000) * 1e9
	salt0    = 5000 // salts are salt0, salt0+1, ... one for each half hour from epoch-1800 s on
)

// counting is a random source without surprises.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

// world is what surrounds a wrapper in tests: a clock, and peers that answer
// what the test does not.
type world struct {
	t      testing.TB
	w      *MainAuthWrapper
	schema *tl.Schema
	cfg    Config
	now    int64
	set    int64 // how far the machine's clock was set forward
	out    Effects
	serial int64 // of client message ids
	seqs   map[int64]int32

	state    AuthState
	stateErr *RPCError
	salts    bool                                 // answer GetSalts
	states   bool                                 // answer GetAuthState
	others   bool                                 // answer everything but API calls
	status   bool                                 // take announcements
	moves    bool                                 // the key moves to another node before each input
	met      map[msgKey]bool                      // sessions that gateways know, by transport key and id
	word     func(*SetPasswordPending) *LoginWord // what storage says of marks; nil: nothing
	sends    []Send                               // not looked at yet
	replies  []Reply                              //
	open     map[Ticket]*Call                     // not answered yet, by ticket
	order    []Ticket
	calls    []Request // all of them ever
	adopted  *Handover
	watch    func(Send) // sees what is sent when it is
	counts   [Counters]int
	faults   []Fault
	ended    []Ended
	seen     []int // updates
}

func newWorld(t testing.TB, unbound bool, change ...func(*Config)) *world {
	t.Helper()
	x := &world{
		t: t, schema: testSchema(t), now: epoch, seqs: map[int64]int32{}, open: map[Ticket]*Call{},
		salts: true, states: true, others: true, status: true, met: map[msgKey]bool{},
		state: AuthState{State: StateNormal, UserID: alice, Client: ClientInfo{Layer: 223}},
	}
	for _, f := range change {
		f(&x.cfg)
	}
	x.cfg.SetDefaults()
	require.NoError(t, x.cfg.Validate())
	key := int64(permKey)
	if unbound {
		key = tempKey
	}
	x.w = New(key, unbound, &x.cfg, x.schema, &counting{})
	return x
}

// saltList is what authsession has: consecutive half hours.
func saltList(now int64, count int32) []Salt {
	first := int32(epoch/1e9) - 1800
	i := max(0, (int32(now/1e9)-first)/1800-1)
	var out []Salt
	for n := range count {
		since := first + (i+n)*1800
		out = append(out, Salt{Since: since, Until: since + 1800, Salt: int64(salt0 + i + n)})
	}
	return out
}

// currentSalt is the salt in force.
func (x *world) currentSalt() int64 { return salt0 + (x.now/1e9-epoch/1e9+1800)/1800 }

// step feeds one input and lets the peers answer.
func (x *world) step(in Input) {
	x.t.Helper()
	if d, ok := in.(*Data); ok { // gateways tell which sessions are new to them
		key := msgKey{d.AuthKeyID, d.SessionID}
		d.NewConn = d.NewConn || !x.met[key]
		x.met[key] = true
	}
	if x.moves {
		x.move()
	}
	x.out.Reset()
	x.w.Step(x.now, x.now+x.set, in, &x.out)
	require.True(x.t, x.out.WakeAt == 0 || x.out.WakeAt > x.now, "the wrapper wakes at once, without end")
	x.holds()
	x.note(&x.out)
	if x.out.Handover != nil {
		x.adopted = x.out.Handover
	}
	fresh := append([]Call(nil), x.out.Calls...)
	for i := range fresh {
		c := &fresh[i]
		x.calls = append(x.calls, c.Request)
		x.open[c.Ticket] = c
		x.order = append(x.order, c.Ticket)
	}
	for i := range fresh {
		x.autoAnswer(&fresh[i])
	}
}

// note keeps what a test looks at.
func (x *world) note(out *Effects) {
	x.sends = append(x.sends, out.Sends...)
	x.replies = append(x.replies, out.Replies...)
	if x.watch != nil {
		for _, s := range out.Sends {
			x.watch(s)
		}
	}
	for _, c := range out.Counts {
		x.counts[c.What] += c.N
	}
	x.faults = append(x.faults, out.Faults...)
	x.ended = append(x.ended, out.Ended...)
}

func (x *world) autoAnswer(c *Call) {
	switch r := c.Request.(type) {
	case *SetPasswordPending:
		switch {
		case !x.others:
		case x.word == nil:
			x.finish(c.Ticket, nil, nil)
		default:
			x.finish(c.Ticket, x.word(r), nil)
		}
	case *GetSalts:
		if x.salts {
			x.finish(c.Ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
		}
	case *GetAuthState:
		if x.states {
			state := x.state
			if x.stateErr != nil {
				x.finish(c.Ticket, nil, x.stateErr)
			} else {
				x.finish(c.Ticket, &state, nil)
			}
		}
	case *SetOnline:
		delete(x.open, c.Ticket)
		if r := c.Request.(*SetOnline); x.status && r.Confirm {
			x.step(&Announced{At: r.At})
		}
	case *SetOffline:
		delete(x.open, c.Ticket)
	case *InvokeMethod, *BindTempKey, *DestroyKey, *DropTempKeys:
	default:
		if x.others {
			x.finish(c.Ticket, nil, nil)
		}
	}
}

// finish completes a call.
func (x *world) finish(t Ticket, res Result, e *RPCError) {
	x.t.Helper()
	require.Contains(x.t, x.open, t, "no such call")
	delete(x.open, t)
	x.step(&CallDone{Ticket: t, Result: res, Err: e})
}

// find returns the oldest open call that matches.
func find[R Request](x *world, match func(R) bool) (Ticket, R) {
	x.t.Helper()
	for _, t := range x.order {
		if c := x.open[t]; c != nil {
			if r, ok := c.Request.(R); ok && (match == nil || match(r)) {
				return t, r
			}
		}
	}
	var none R
	require.Failf(x.t, "no open call", "%T", none)
	return 0, none
}

// count returns how many requests of a type were made so far.
func count[R Request](x *world) (n int) {
	for _, r := range x.calls {
		if _, ok := r.(R); ok {
			n++
		}
	}
	return n
}

// invoked finds the open API call of a method.
func (x *world) invoked(method string) (Ticket, *InvokeMethod) {
	x.t.Helper()
	return find(x, func(r *InvokeMethod) bool { return r.Method.Name == method })
}

// isInvoked reports whether an API call of a method is open.
func (x *world) isInvoked(method string) bool {
	for _, c := range x.open {
		if r, ok := c.Request.(*InvokeMethod); ok && r.Method.Name == method {
			return true
		}
	}
	return false
}

// answer completes the open API call of a method with a TL object.
func (x *world) answer(method string, object []byte) {
	x.t.Helper()
	t, r := x.invoked(method)
	x.finish(t, &MethodResult{Method: r.Method, PB: x.pb(r.Method, object)}, nil)
}

// fail completes the open API call of a method with an error.
func (x *world) fail(method string, code int32, message string) {
	x.t.Helper()
	t, _ := x.invoked(method)
	x.finish(t, nil, &RPCError{Code: code, Message: message})
}

func (x *world) pb(m *tl.Method, object []byte) []byte {
	x.t.Helper()
	pb, n, err := x.schema.Decode(nil, m.Reply, object)
	require.NoError(x.t, err)
	require.Equal(x.t, len(object), n)
	return pb
}

// advance moves the clock, waking the wrapper whenever it wants.
func (x *world) advance(d time.Duration) {
	x.t.Helper()
	end := x.now + int64(d)
	for i := 0; x.out.WakeAt != 0 && x.out.WakeAt <= end; i++ {
		require.Less(x.t, i, 10_000, "the wrapper wakes without end")
		x.now = max(x.now, x.out.WakeAt)
		x.step(&Tick{})
	}
	x.now = end
}

// id makes the next message id of a client, offset from now.
func (x *world) id(offset time.Duration) int64 {
	x.serial += 4
	return idAt(x.now+int64(offset)) + x.serial
}

// msg makes a message of session sid; content-related ones get the next odd
// seqno.
func (x *world) msg(sid int64, body []byte) wire.Message {
	id, _ := wire.PeekID(body)
	content := id != wire.IDMsgsAck && id != wire.IDMsgContainer && id != wire.IDHTTPWait && id != wire.IDPing
	m := wire.Message{ID: x.id(0), Seq: 2 * x.seqs[sid], Body: body}
	if content {
		m.Seq++
		x.seqs[sid]++
	}
	return m
}

// container packs messages.
func (x *world) container(sid int64, members ...wire.Message) wire.Message {
	body := wire.AppendContainer(nil, len(members))
	for _, m := range members {
		body = append(wire.AppendMessageHeader(body, m.ID, m.Seq, len(m.Body)), m.Body...)
	}
	return x.msg(sid, body)
}

func payload(m wire.Message) []byte {
	p := append(wire.AppendMessageHeader(nil, m.ID, m.Seq, len(m.Body)), m.Body...)
	return append(p, make([]byte, wire.MinPadding)...)
}

// data makes the packet of a message, under the perm key through gateway gw1.
func (x *world) data(sid int64, m wire.Message) *Data {
	d := &Data{
		ServerID: "gw1", AuthKeyID: permKey, SessionID: sid, Salt: x.currentSalt(),
		ClientIP: "192.0.2.1", Payload: payload(m),
	}
	if x.w.binding.unbound {
		d.AuthKeyID, d.KeyType, d.Unbound = tempKey, TempKey, true
	}
	return d
}

// under is recv with another transport key of the device.
func (x *world) under(key int64, kind KeyType, sid int64, body []byte) wire.Message {
	x.t.Helper()
	m := x.msg(sid, body)
	d := x.data(sid, m)
	d.AuthKeyID, d.KeyType = key, kind
	x.step(d)
	return m
}

// recv sends a body as a client would, and returns the message.
func (x *world) recv(sid int64, body []byte) wire.Message {
	x.t.Helper()
	m := x.msg(sid, body)
	x.step(x.data(sid, m))
	return m
}

// sent is a message of the server.
type sent struct {
	Send
	wire.Message
	inside      bool  // of a container
	salt        int64 // of its packet
	outer       int64 // id of the packet's message
	outerSeq    int32
	constructor uint32
}

// parsePacket takes a packet of the server apart.
func parsePacket(t testing.TB, s Send) (out []sent) {
	t.Helper()
	r := wire.NewReader(s.Bytes())
	salt, sid := r.Long(), r.Long()
	require.Equal(t, s.SessionID, sid)
	m := wire.Message{ID: r.Long(), Seq: r.Int()}
	n := int(r.Int())
	m.Body = r.Rest()
	require.True(t, r.OK())
	require.Equal(t, n, len(m.Body))
	members, inside := []wire.Message{m}, false
	if id, _ := wire.PeekID(m.Body); id == wire.IDMsgContainer {
		var err error
		members, err = wire.Members(nil, m.Body, 1024)
		require.NoError(t, err)
		inside = true
		if len(members) == 0 {
			return []sent{{Send: s, Message: m, salt: salt, outer: m.ID, outerSeq: m.Seq, constructor: wire.IDMsgContainer}}
		}
	}
	for _, member := range members {
		x := sent{Send: s, Message: member, inside: inside, salt: salt, outer: m.ID, outerSeq: m.Seq}
		x.constructor, _ = wire.PeekID(member.Body)
		out = append(out, x)
	}
	return out
}

// take returns the messages sent since the last take.
func (x *world) take() (out []sent) {
	x.t.Helper()
	for _, s := range x.sends {
		out = append(out, parsePacket(x.t, s)...)
	}
	x.sends = nil
	return out
}

// takeOnly is take for a single kind of message.
func (x *world) takeOnly(constructor uint32) (out []sent) {
	x.t.Helper()
	for _, m := range x.take() {
		if m.constructor == constructor {
			out = append(out, m)
		}
	}
	return out
}

// result finds the answer to a request among messages, without its header.
func result(msgs []sent, req int64) ([]byte, bool) {
	for _, m := range msgs {
		if m.constructor == wire.IDRPCResult && int64(binary.LittleEndian.Uint64(m.Body[4:])) == req {
			return m.Body[wire.ResultHeader:], true
		}
	}
	return nil, false
}

// rpcError finds the rpc_error that answers a request, as "400 TEXT".
func (x *world) rpcError(msgs []sent, req int64) string {
	x.t.Helper()
	body, ok := result(msgs, req)
	if !ok {
		return ""
	}
	r := wire.NewReader(body)
	if r.ID() != wire.IDRPCError {
		return ""
	}
	code := r.Int()
	return fmt.Sprintf("%d %s", code, r.Bytes())
}

// login makes session sid one that takes updates.
func (x *world) login(sid int64) {
	x.t.Helper()
	x.recv(sid, x.method("updates.getState"))
	x.answer("updates.getState", updatesState())
	x.ackAll(sid)
}

// ackAll acknowledges everything sent so far in a session.
func (x *world) ackAll(sid int64) {
	x.t.Helper()
	var ids []int64
	for _, m := range x.take() {
		if m.Seq&1 != 0 && m.SessionID == sid {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) > 0 {
		x.recv(sid, tlAck(ids...))
	}
}

func names(msgs []sent) string {
	var b strings.Builder
	for _, m := range msgs {
		fmt.Fprintf(&b, "%08x ", m.constructor)
	}
	return strings.TrimSpace(b.String())
}

// login2 is login, keeping the updates that came with it in x.seen.
func (x *world) login2(sid int64) {
	x.t.Helper()
	x.recv(sid, x.method("updates.getState"))
	x.answer("updates.getState", updatesState())
	x.seen = append(x.seen, pushed(x.take())...)
}
