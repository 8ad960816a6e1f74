package sim

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// receive takes a packet of the server.
func (s *csession) receive(packet []byte) {
	if s.gone || s.c.away || s.c.rests() && s.c.http {
		return
	}
	r := wire.NewReader(packet)
	r.Long() // salt
	id := r.Long()
	m := wire.Message{ID: r.Long(), Seq: r.Int()}
	r.Int()
	m.Body = r.Rest()
	s.watch(r.OK() && id == s.id, "identity", "a packet of session %x", id)
	members := []wire.Message{m}
	if kind, _ := wire.PeekID(m.Body); kind == wire.IDMsgContainer {
		members, _ = wire.Members(nil, m.Body, 1024)
	}
	inner := len(members) != 1 || members[0].ID != m.ID
	for _, m := range members {
		if !s.gone {
			s.hear(m, inner)
		}
	}
}

func (s *csession) watch(ok bool, invariant, format string, args ...any) {
	s.c.c.watch.check(ok, invariant, "%v: "+format, append([]any{s}, args...)...)
}

// hear takes one message, which came alone or inside a container. One that it
// has is acknowledged again.
func (s *csession) hear(m wire.Message, inner bool) {
	hash := hashOf(m.Body)
	before, known := s.got[m.ID]
	s.watch(!known || before == hash, "ids", "message %x has two contents", m.ID)
	s.got[m.ID] = hash
	if m.Seq&1 != 0 && (!inner || !s.c.habits.acksNoMembers) {
		s.acknowledge(m.ID)
	}
	if known {
		return
	}
	if m.Seq&1 != 0 {
		s.remember(m.ID)
	}
	body, err := unzip(m.Body)
	s.watch(err == nil, "containers", "message %x does not inflate: %v", m.ID, err)
	kind, _ := wire.PeekID(body)
	r := wire.NewReader(body)
	r.ID()
	s.c.c.note(s.name, "hears", s.id, m.ID, int64(kind))
	switch kind {
	case wire.IDNewSessionCreated:
		first, unique, salt := r.Long(), r.Long(), r.Long()
		s.renewed(first, unique, salt)
	case wire.IDRPCResult:
		s.answered(r.Long(), r.Rest())
	case wire.IDBadMsgNotification, wire.IDBadServerSalt:
		bad, _, code := r.Long(), r.Int(), wire.BadMsg(r.Int())
		if code == wire.BadSalt {
			s.badSalt(bad, r.Long())
		}
		s.corrected(m.ID, bad, code)
	case wire.IDMsgsStateInfo:
		req := r.Long()
		s.informed(req, r.Bytes())
	case wire.IDMsgDetailedInfo:
		if call := s.byID[r.Long()]; call != nil {
			call.promised = true
		}
		s.c.c.note(s.name, "is told of a large answer", s.id)
		s.announced(r.Long())
	case wire.IDMsgNewDetailedInfo:
		s.c.c.note(s.name, "is told of a large message", s.id)
		s.announced(r.Long())
	case wire.IDPong:
		req, ping := r.Long(), r.Long()
		s.watch(s.pings[req] == ping, "identity", "a pong of ping %x", ping)
		s.settled = s.settled || s.mute && s.c.c.healed
	case wire.IDUpdatesTooLong:
		s.woken()
	case idUpdateShort:
		s.c.c.watch.seen(s, serialIn(&r))
	case wire.IDFutureSalts:
		s.c.futureSalts(s, &r)
	case wire.IDMsgsAck, wire.IDDestroySessionOK, wire.IDDestroySessionNone,
		wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone, wire.IDDestroyAuthKeyFail:
	default:
		s.watch(false, "containers", "message %x of unknown kind %x", m.ID, kind)
	}
}

func hashOf(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range b {
		h = (h ^ uint64(v)) * 1099511628211
	}
	return h
}

// acknowledge notes what to acknowledge, soon.
func (s *csession) acknowledge(id int64) {
	if s.c.hostile {
		return
	}
	if !slices.Contains(s.acks, id) {
		s.acks = append(s.acks, id)
	}
	if !s.acking {
		s.acking = true
		s.c.c.after(s.c.c.between(50*time.Millisecond, 3*time.Second), func() {
			s.acking = false
			if !s.c.rests() && !s.c.away {
				s.flush()
			}
		})
	}
}

// renewed takes new_session_created: the server knows nothing of messages
// below first (https://core.telegram.org/mtproto/service_messages#new-session-creation-notification).
func (s *csession) renewed(first, unique, salt int64) {
	s.c.c.note(s.name, "is told of a new session", s.id, first, unique)
	// The server tells old from new by its seqnos, which must be beyond doubt.
	const beyondDoubt = 20
	trusting := s.c.c.besieged && s.c.habits.startsOver && s.c.statedAt != 0
	if !trusting && (!s.c.deaf || s.unique == 0 || s.content < beyondDoubt) {
		s.woken()
	}
	s.unique = unique
	s.c.salts[s.key] = salt
	s.settled = false
	for _, call := range slices.Clone(s.calls) {
		if call.m.ID < first && !call.over {
			s.renew(call)
		}
	}
}

// corrected takes bad_msg_notification and bad_server_salt.
func (s *csession) corrected(id, bad int64, code wire.BadMsg) {
	s.c.c.note(s.name, "is corrected", s.id, bad, int64(code))
	switch code {
	case wire.BadTooLow, wire.BadTooHigh:
		s.c.skew = time.Duration(timeOf(id) - s.c.c.now)
		if code == wire.BadTooHigh && s.lastID > idAt(s.c.c.now+int64(s.c.skew)) {
			s.restart()
			return
		}
	case wire.BadTooOld, wire.BadSalt:
	default:
		s.watch(false, "corrections", "bad_msg_notification %d of message %x, which is good", code, bad)
	}
	messages := s.packets[bad]
	if messages == nil {
		if call := s.byID[bad]; call != nil {
			messages = []wire.Message{call.m}
		}
	}
	var again []wire.Message
	for _, m := range messages {
		call := s.byID[m.ID]
		if call == nil || call.over || call.m.ID != m.ID {
			continue
		}
		if code != wire.BadSalt {
			s.give(call, call.m.Body)
		}
		again = append(again, call.m)
	}
	s.send(again...)
}

// restart goes on in a new session, since the ids of this one lie ahead.
func (s *csession) restart() {
	s.c.abandon(s)
	if s.mute {
		return // the client names another one when it registers again
	}
	var n *csession
	if s.extra == nil {
		n = s.c.open()
		n.files = s.files
	} else {
		n = s.c.openExtra(s.extra)
	}
	for _, call := range s.calls {
		if call.method != dropAnswer {
			body := call.m.Body
			n.calls = append(n.calls, call)
			call.s = n
			n.give(call, body)
			n.send(call.m)
		}
	}
	s.calls = nil
}

// informed takes msgs_state_info.
//
// Invariant: what is said to be answered has its answer, or word of it, before. A
// client that reads the states as mtcute does makes the call again otherwise.
func (s *csession) informed(req int64, info []byte) {
	ids, asked := s.asked[req]
	s.watch(asked && len(ids) == len(info), "identity", "msgs_state_info of %x", req)
	if !asked || len(ids) != len(info) {
		return
	}
	for i, id := range ids {
		call := s.byID[id]
		if call == nil || call.over || call.m.ID != id {
			continue
		}
		switch info[i] & 7 {
		case 1:
			s.renew(call)
		case 2, 3:
			s.again(call)
		default:
			call.known = true
			s.watch(info[i]&generated == 0 || call.promised, "states", "call %x is said to be answered, and is not", id)
		}
	}
}

// generated is the bit of a state that says that there is an answer.
const generated = 64

// answered takes rpc_result.
func (s *csession) answered(req int64, raw []byte) {
	call := s.byID[req]
	s.watch(call != nil, "identity", "an answer to %x, which was not asked", req)
	object, err := unzip(raw)
	s.watch(err == nil, "containers", "the answer to %x does not inflate: %v", req, err)
	if call == nil || err != nil {
		return
	}
	s.c.c.note(s.name, "has its answer", s.id, req)
	s.judge(call, req, object)
	if call.s != s || call.over {
		return
	}
	call.over = true
	s.calls = slices.DeleteFunc(s.calls, func(c *ccall) bool { return c == call })
	s.conclude(call, object)
}

// judge compares an answer with what the BFF gave to this very call.
func (s *csession) judge(call *ccall, req int64, object []byte) {
	r := wire.NewReader(object)
	switch kind := r.ID(); kind {
	case wire.IDRPCError:
		code := r.Int()
		s.judgeError(call, req, code, string(r.Bytes()))
	case wire.IDRPCAnswerDroppedRunning, wire.IDRPCAnswerDropped, wire.IDRPCAnswerUnknown:
		dropped := slices.ContainsFunc(s.dropped(), func(c *ccall) bool { return c == call })
		s.watch(call.method == dropAnswer || dropped, "identity", "call %x is dropped, which nobody asked for", req)
	default:
		switch call.method {
		case bindKey:
			s.watch(kind == wire.IDTrue, "identity", "bind %x is answered %x", req, kind)
		case signIn, secret:
			s.watch(kind == idAuthorization || kind == idAuthorizationOld, "identity", "sign-in %x is answered %x", req, kind)
		case destroyKey:
			s.watch(kind == wire.IDDestroyAuthKeyOK || kind == wire.IDDestroyAuthKeyNone || kind == wire.IDDestroyAuthKeyFail,
				"identity", "destroy_auth_key %x is answered %x", req, kind)
		default:
			given := s.c.c.bff.given[callID{s.key, s.id, req}]
			s.watch(slices.ContainsFunc(given, func(o outcome) bool { return bytes.Equal(o.object, object) }),
				"identity", "the answer to %s, message %x, is another's", call.method, req)
		}
	}
}

// stated takes the state of updates: of what happened before it was read, nothing
// is missing.
func (s *csession) stated(call *ccall, object []byte) {
	for _, o := range s.c.c.bff.given[callID{s.key, s.id, call.m.ID}] {
		if bytes.Equal(o.object, object) && o.at > s.c.since {
			s.c.c.watch.told(s.c, o.at)
			s.c.statedAt = cmp.Or(s.c.statedAt, o.at)
		}
	}
}

func (s *csession) dropped() (calls []*ccall) {
	for _, call := range s.drops {
		calls = append(calls, call)
	}
	return calls
}

// The errors that are the session's own.
var ownErrors = map[int32][]string{
	-503: {"Timeout"},
	400:  {"MSG_WAIT_TIMEOUT"},
	401:  {"AUTH_KEY_UNREGISTERED", permEmpty, needPassword},
	420:  {"FLOOD_WAIT_1", "FLOOD_WAIT_3"},
	500:  {"INTERNAL_SERVER_ERROR", "MSG_WAIT_FAILED", "ANSWER_FORGOTTEN"},
}

func (s *csession) judgeError(call *ccall, req int64, code int32, text string) {
	s.c.c.note(s.name, text, s.id, req, int64(code))
	given := s.c.c.bff.given[callID{s.key, s.id, req}]
	over := call.method == bindKey && text == bindInvalid && s.c.c.storage.keys[s.key] == nil
	tooMuch := s.c.hostile && text == rpcerr.ErrInputTooLong.Message // of a packet with others that were large
	ok := slices.Contains(ownErrors[code], text) || call.method == nonsense && code == 400 || over || tooMuch ||
		slices.ContainsFunc(given, func(o outcome) bool { return o.code == code && o.text == text })
	s.watch(ok, "identity", "%s, message %x, is answered %d %s", call.method, req, code, text)
	s.c.c.watch.spared(s, call, code, text)
	if code == 401 {
		s.c.c.watch.refused(s, call, text)
	}
}

// conclude does what the answer to a call means.
func (s *csession) conclude(call *ccall, object []byte) {
	cl := s.c
	r := wire.NewReader(object)
	kind := r.ID()
	failed := kind == wire.IDRPCError
	code := r.Int()
	switch call.method {
	case dropAnswer:
		victim := s.drops[call.m.ID]
		if kind == wire.IDRPCAnswerDropped && victim != nil && !victim.over {
			victim.over = true
			s.calls = slices.DeleteFunc(s.calls, func(c *ccall) bool { return c == victim })
		}
	case bindKey:
		if failed && cl.c.storage.keys[s.key] == nil && cl.c.storage.keys[cl.perm] != nil {
			cl.tempOver(s.key)
			return
		}
		cl.bound = cl.bound || !failed && s.key == cl.temp
		if k := cl.extraKey(s.key); k != nil {
			k.bound = k.bound || !failed
		}
	case signIn, secret:
		if !failed {
			cl.loggedIn, cl.since, cl.statedAt, cl.push = true, cl.c.now, 0, device{}
			cl.c.after(cl.c.between(0, 2*time.Second), cl.askState)
			for _, other := range cl.sessions {
				other.settled = false // what it called, another login did
			}
		}
		cl.owes = false
	case logOut:
		if !failed {
			cl.loggedIn = false
		}
	case state:
		s.stated(call, object)
	case register:
		if !failed {
			cl.registered(call.device)
		}
	case destroyKey:
		if kind == wire.IDDestroyAuthKeyOK || kind == wire.IDDestroyAuthKeyNone {
			cl.begin()
			return
		}
	case s.probe():
		s.settled = s.settled || cl.c.healed && !failed
	}
	if !failed || code != 401 {
		return
	}
	switch text := string(r.Bytes()); {
	case text == needPassword:
		cl.loggedIn, cl.owes = false, true
	case text == permEmpty && cl.c.storage.keys[s.key] == nil && cl.c.storage.keys[cl.perm] != nil:
		cl.tempOver(s.key)
	case call.method == signIn || call.method == secret || cl.loggedIn && cl.c.storage.userOf(cl.perm) == 0:
		cl.loggedOut()
	}
}
