package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// csession is a client's side of a session.
type csession struct {
	c    *client
	name string
	id   int64
	key  int64 // transport key
	link *link // nil: not connected
	gone bool  // given up

	extra *tempKey // under this key, for one session; nil: under the client's key
	media bool     // it is for media, which needs no login here
	files bool     // it takes no updates, and says so with every call
	mute  bool     // it calls nothing: it is there to be woken

	lastID  int64
	content int32
	calls   []*ccall         // without an answer
	byID    map[int64]*ccall // by every id that a call had
	packets map[int64][]wire.Message
	salted  map[int64]int64   // salt of each packet
	asked   map[int64][]int64 // ids in each msgs_state_req
	pings   map[int64]int64   // ping_id by message
	drops   map[int64]*ccall  // rpc_drop_answer by message
	got     map[int64]uint64  // messages of the server: a hash of each
	latest  []int64           // of them, the last that want to be acknowledged
	acks    []int64
	acking  bool
	polls   int
	unique  int64 // of the last new_session_created

	reconnects int  // since the storm is over
	settled    bool // it has called the API since
	movedAt    int64
	wokenAt    int64 // when it was last told that updates may be missing
}

// ccall is a message of a client that is answered by rpc_result.
type ccall struct {
	s      *csession
	method string
	m      wire.Message // as it was sent last
	madeAt int64
	sentAt int64
	after  bool  // waits for another
	member bool  // made with a login
	known  bool  // the server said that it has it
	over   bool  // answered, or needs no answer
	copies bool  // sent as msg_copy alone, while it is not known
	device int64 // session that account.registerDevice names
	bindTo int64

	promised bool // msg_detailed_info told of its answer
}

// What clients call beside the API's methods.
const (
	nonsense   = "nonsense"
	bindKey    = "auth.bindTempAuthKey"
	destroyKey = "destroy_auth_key"
	dropAnswer = "rpc_drop_answer"
)

func newSession(cl *client) *csession {
	id := cl.c.id()
	return &csession{
		c: cl, name: cl.name, id: id, key: cl.key(), byID: map[int64]*ccall{}, packets: map[int64][]wire.Message{}, salted: map[int64]int64{},
		asked: map[int64][]int64{}, pings: map[int64]int64{}, drops: map[int64]*ccall{}, got: map[int64]uint64{},
	}
}

// idAt is the lowest message id of a time (https://core.telegram.org/mtproto/description#message-identifier-msg-id).
func idAt(ns int64) int64 { return ns/1e9<<32 | (ns%1e9<<32/1e9)&^3 }

// timeOf is the time in a message id.
func timeOf(id int64) int64 { return id>>32*1e9 + id&0xffffffff*1e9>>32 }

// message makes a new message.
func (s *csession) message(body []byte, content bool) wire.Message {
	s.lastID = max(idAt(s.c.c.now+int64(s.c.skew)), s.lastID+4)
	m := wire.Message{ID: s.lastID, Seq: 2 * s.content, Body: body}
	if content {
		m.Seq++
		s.content++
	}
	return m
}

// send sends messages, old and new, with the acknowledgments that wait.
func (s *csession) send(messages ...wire.Message) {
	if len(s.acks) > 0 {
		messages = append(messages, s.message(tlLongs(wire.IDMsgsAck, s.acks...), false))
		s.acks = nil
	}
	if len(messages) == 0 {
		return
	}
	var bindTo int64
	for _, m := range messages {
		if call := s.byID[m.ID]; call != nil && call.bindTo != 0 {
			bindTo = call.bindTo
		}
	}
	kept := messages
	messages = s.copies(messages)
	outer := messages[0]
	if len(messages) > 1 || s.c.c.chance(10) {
		body := wire.AppendContainer(nil, len(messages))
		for _, m := range messages {
			body = append(wire.AppendMessageHeader(body, m.ID, m.Seq, len(m.Body)), m.Body...)
		}
		outer = s.message(body, false)
	}
	s.packets[outer.ID] = kept
	s.c.c.note(s.name, "sends", s.id, outer.ID, int64(len(messages)))
	payload := append(wire.AppendMessageHeader(nil, outer.ID, outer.Seq, len(outer.Body)), outer.Body...)
	payload = append(payload, make([]byte, wire.MinPadding+s.c.c.rnd.IntN(30))...)
	salt := s.c.salt(s.key)
	if before, again := s.salted[outer.ID]; again && before != salt {
		s.salted[outer.ID] = 0 // which one is refused, nobody knows
	} else {
		s.salted[outer.ID] = salt
	}
	s.transmit(salt, payload, bindTo)
}

func (s *csession) transmit(salt int64, payload []byte, bindTo int64) {
	c := s.c.c
	c.thief.sees(s, salt, payload, bindTo)
	if s.c.http {
		s.post(salt, payload)
		return
	}
	if s.link == nil {
		s.connect(s.c.gateway())
	}
	l := s.link
	c.carry(&l.up, func() { l.g.fromClient(l, salt, slices.Clone(payload), bindTo) })
}

// post sends a packet as an HTTP request, and waits for its answer or for too
// long.
func (s *csession) post(salt int64, payload []byte) {
	c, g, open := s.c.c, s.c.gateway(), true
	s.polls++
	end := func() {
		if open {
			open = false
			s.polls--
		}
	}
	c.after(httpTimeout+time.Second, end)
	c.carry(&way{}, func() {
		if !g.away {
			g.post(s, salt, slices.Clone(payload), func(packet []byte) {
				end()
				if len(packet) > 0 {
					s.receive(packet)
				}
				s.poll()
			})
		}
	})
}

func (s *csession) connect(g *gateway) {
	s.c.c.note(s.name, "connects to "+g.id[:8], s.id)
	s.link = g.connect(s)
	s.movedAt = s.c.c.now
}

// lostLink notes that the connection is gone.
func (s *csession) lostLink(l *link) {
	if s.link == l {
		s.link = nil
	}
}

// reconnect changes the connection; gracefully: the gateway sees the end of
// the old one.
func (s *csession) reconnect(gracefully bool) {
	if s.c.http {
		return
	}
	if s.c.habits.startsOver && !s.c.c.healed && !s.media && !s.mute {
		s.restart()
		return
	}
	if old := s.link; old != nil {
		if gracefully {
			old.close()
		} else {
			old.drop()
		}
	}
	s.connect(s.c.gateway())
	s.ping(0)
}

// start sends a call.
func (s *csession) start(method string, body []byte, change ...func(*ccall)) *ccall {
	call := &ccall{s: s, method: method, madeAt: s.c.c.now, member: s.c.loggedIn, copies: s.c.c.chance(25)}
	for _, f := range change {
		f(call)
	}
	s.calls = append(s.calls, call)
	s.give(call, body)
	s.c.c.note(s.name, method, s.id, call.m.ID)
	s.send(call.m)
	return call
}

// give gives a call a message of its own: its first or another one.
func (s *csession) give(call *ccall, body []byte) {
	call.m = s.message(body, true)
	if call.bindTo != 0 {
		call.m.Body = s.bindBody(call)
	}
	call.sentAt, call.known = s.c.c.now, false
	s.byID[call.m.ID] = call
}

// body is a call of a method as clients make it.
func (s *csession) body(method string) []byte { return s.wrap(query(s.c.c.schema, method)) }

// wrap wraps a query as clients do.
func (s *csession) wrap(b []byte) []byte {
	cl := s.c
	if !cl.told || cl.c.chance(15) {
		cl.told = true
		if cl.c.chance(10) {
			cl.builds++
		}
		b = tlInit(cl.layer, cl.builds, b)
	}
	if s.files {
		b = append(appendID(nil, wire.IDInvokeWithoutUpdates), b...)
	}
	if cl.c.chance(12) {
		b = zip(b)
	}
	return b
}

const maxCalls = 12

func (s *csession) call(method string) {
	if s.media {
		method = anyone
	}
	if len(s.calls) < maxCalls {
		s.start(method, s.body(method))
	}
}

// burst calls several methods in one packet, in order as far as it says so.
func (s *csession) burst() {
	var messages []wire.Message
	for range 2 + s.c.c.rnd.IntN(6) {
		if len(s.calls) >= maxCalls {
			break
		}
		call := &ccall{s: s, method: pick(s.c.c.scheduler, []string{anyone, member}), madeAt: s.c.c.now, member: s.c.loggedIn}
		body := s.body(call.method)
		if n := len(messages); n > 0 && s.c.c.chance(3) {
			call.after = true
			body = append(appendLong(appendID(nil, wire.IDInvokeAfterMsg), messages[n-1].ID), query(s.c.c.schema, call.method)...)
		}
		s.calls = append(s.calls, call)
		s.give(call, body)
		messages = append(messages, call.m)
	}
	s.send(messages...)
}

// callAfter calls a method after another call, which may be there or not.
func (s *csession) callAfter(method string) {
	if len(s.calls) >= maxCalls {
		return
	}
	after := int64(4 * s.c.c.rnd.Int32())
	if len(s.calls) > 0 {
		after = pick(s.c.c.scheduler, s.calls).m.ID
	}
	b := append(appendLong(appendID(nil, wire.IDInvokeAfterMsg), after), query(s.c.c.schema, method)...)
	s.start(method, b, func(c *ccall) { c.after = true })
}

func (s *csession) bind() {
	s.start(bindKey, nil, func(c *ccall) { c.bindTo = s.c.perm })
}

// bindBody is auth.bindTempAuthKey in the message that a call has. What is
// encrypted names the key, the session and the message that it comes in.
func (s *csession) bindBody(call *ccall) []byte {
	b := appendLong(appendLong(appendID(nil, wire.IDBindTempAuthKey), call.bindTo), s.c.c.id())
	life := 24 * time.Hour
	if !s.c.c.healed && !s.c.c.besieged && s.c.c.chance(4) {
		life = s.c.c.between(40*time.Second, 400*time.Second)
	}
	b = appendInt(b, int32((s.c.c.now+int64(life))/1e9))
	secret := appendLong(appendLong(appendLong(nil, s.key), s.id), call.m.ID)
	return wire.AppendBytes(b, append(secret, make([]byte, 80)...))
}

// nonsense calls what no server knows, or cannot read.
func (s *csession) nonsense() {
	b := appendID(nil, 0xdeadbeef)
	if s.c.c.chance(2) {
		b = query(s.c.c.schema, signIn)[:12]
	}
	s.start(nonsense, b)
}

func (s *csession) destroyKey() { s.start(destroyKey, appendID(nil, wire.IDDestroyAuthKey)) }

func (s *csession) destroySession(id int64) {
	s.send(s.message(appendLong(appendID(nil, wire.IDDestroySession), id), true))
}

// calling reports whether a method's answer is waited for.
func (s *csession) calling(method string) bool {
	return slices.ContainsFunc(s.calls, func(c *ccall) bool { return c.method == method })
}

// awaits reports whether the session awaits the answer to a message.
func (s *csession) awaits(id int64) bool {
	return slices.ContainsFunc(s.calls, func(c *ccall) bool { return c.m.ID == id })
}

// ping sends ping, or ping_delay_disconnect when delay is not 0.
func (s *csession) ping(delay int32) {
	id := s.c.c.id()
	b := appendLong(appendID(nil, wire.IDPing), id)
	if delay > 0 {
		b = appendInt(appendLong(appendID(nil, wire.IDPingDelayDisconnect), id), delay)
	}
	m := s.message(b, s.c.c.chance(2))
	s.pings[m.ID] = id
	s.send(m)
}

// repeat sends calls without an answer again, under their ids.
func (s *csession) repeat() {
	var again []wire.Message
	for _, call := range s.calls {
		if len(again) < 8 && s.c.c.chance(2) {
			again = append(again, call.m)
		}
	}
	if len(again) > 0 {
		s.send(again...)
	}
}

// insist sends one call of many again, now and then.
func (s *csession) insist() {
	for _, call := range s.calls {
		if s.c.c.now-call.sentAt > int64(4*time.Second) {
			s.again(call)
			return
		}
	}
	s.poll()
}

// again sends a call again under its id. When that has become too old, a
// server that does not know it says so.
func (s *csession) again(call *ccall) {
	call.sentAt = s.c.c.now
	s.send(call.m)
}

// renew sends a call again under a new id.
func (s *csession) renew(call *ccall) {
	s.give(call, call.m.Body)
	s.c.c.note(s.name, call.method+" again", s.id, call.m.ID)
	s.send(call.m)
}

func (s *csession) open() (ids []int64) {
	for _, call := range s.calls {
		ids = append(ids, call.m.ID)
	}
	return ids
}

// askStates asks what became of the calls.
func (s *csession) askStates() {
	ids := s.open()
	if len(ids) == 0 {
		return
	}
	m := s.message(tlLongs(wire.IDMsgsStateReq, ids...), true)
	s.asked[m.ID] = ids
	s.send(m)
}

// askAgain asks for the answers to calls.
func (s *csession) askAgain() {
	ids := s.open()
	if len(ids) == 0 {
		return
	}
	m := s.message(tlLongs(wire.IDMsgResendAnsReq, ids...), true)
	s.asked[m.ID] = ids // it may be answered by msgs_state_info
	s.send(m)
}

func (s *csession) dropAnswer() {
	if len(s.calls) == 0 || s.calling(dropAnswer) {
		return
	}
	victim := pick(s.c.c.scheduler, s.calls)
	if victim.method != anyone && victim.method != member {
		return
	}
	drop := s.start(dropAnswer, appendLong(appendID(nil, wire.IDRPCDropAnswer), victim.m.ID))
	s.drops[drop.m.ID] = victim
}

func (s *csession) futureSalts() {
	s.send(s.message(appendInt(appendID(nil, wire.IDGetFutureSalts), 4), true))
}

// flush sends the acknowledgments that wait.
func (s *csession) flush() {
	if !s.gone {
		s.send()
	}
}

// poll keeps an HTTP request open.
func (s *csession) poll() {
	if !s.c.http || s.polls > 0 || s.gone || s.c.away || s.c.rests() {
		return
	}
	c := s.c.c
	b := appendInt(appendID(nil, wire.IDHTTPWait), int32(c.rnd.IntN(400)))
	b = appendInt(appendInt(b, int32(c.rnd.IntN(100))), 1000*int32(5+c.rnd.IntN(20)))
	s.send(s.message(b, false))
}

// probe is a call that shows that the session works.
func (s *csession) probe() string {
	if s.media {
		return anyone
	}
	return member
}

// settle finishes what the session began.
func (s *csession) settle() {
	c := s.c.c
	switch {
	case !s.c.http && (s.link == nil || s.reconnects == 0 || s.reconnects == 1 && c.now-s.movedAt > int64(70*time.Second)):
		s.reconnects++
		s.reconnect(true)
	case !s.settled && s.mute:
		s.ping(0)
	case !s.settled && !s.calling(s.probe()) && s.c.loggedIn:
		s.call(s.probe())
	case c.now/1e9%20 == 0:
		s.ping(0) // it is there
	}
	asked := false
	for _, call := range slices.Clone(s.calls) {
		waited := time.Duration(c.now - call.sentAt)
		switch {
		case waited > 25*time.Second && call.known, waited > 40*time.Second:
			s.again(call)
		case waited > 6*time.Second && !call.known && !asked && int(waited/time.Second)%4 == 0:
			asked = true
			s.askStates()
		}
	}
	s.flush()
	s.poll()
}

func (s *csession) String() string {
	return fmt.Sprintf("%s session %x of key %x", s.name, s.id, s.key)
}
