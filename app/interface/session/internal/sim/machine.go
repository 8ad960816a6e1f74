package sim

import (
	"bytes"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Sabotage stands between a machine and its node, and breaks something. It
// shows that the invariants can fail.
type Sabotage func(m runloop.Machine, key, now, wall int64, in sess.Input, out *sess.Effects)

// machine is a real state machine with somebody looking over its shoulder.
type machine struct {
	*sess.MainAuthWrapper
	n        *node
	key      int64
	unbound  bool    // a temp key of its own
	anew     bool    // it began without what another node had of it
	stray    bool    // it did so where the ring gave its key to another node
	behind   bool    // its node was listed again then, and had yet to hear of the others
	unasked  bool    // it began anew then, and etcd had let another node go
	letGo    int64   // when another node got the key; 0: none has
	returned int64   // when it last went on with the state that it had, for nobody gave it a later one
	gaveWay  bool    // another life of the key came to its node, and goes on
	revoked  int64   // when it heard that its login has ended; 0: it has not
	late     bool    // it knew of no login then
	begins   int64   // when a call was last made that may log in
	adopts   int64   // when it last took over the sessions of a temp key that was bound
	drains   bool    // it was told to let its key go
	done     bool    // nothing is left of it
	packet   *handed // of the packet of the step under way
	caused
	now    sess.View
	before sess.View
}

func (w *watch) machine(n *node, key int64, unbound, anew bool, real *sess.MainAuthWrapper) runloop.Machine {
	m := &machine{
		MainAuthWrapper: real, n: n, key: key, unbound: unbound, anew: anew, stray: anew && !unbound && !n.svc.Cluster.Owns(key),
		behind: n.listing.isBehind(w.c.now), unasked: anew && w.c.someAway(), caused: caused{since: w.c.now},
	}
	for other := range w.machines {
		if other.n == n && other.key == key && !other.drains && !other.done {
			other.gaveWay = true
		}
	}
	w.machines[m] = struct{}{}
	w.c.note(n.addr[:8], "makes a machine", key)
	return m
}

// Step is the machine's, watched.
func (m *machine) Step(now, wall int64, in sess.Input, out *sess.Effects) {
	w := m.n.c.watch
	if m.n.dead || m.n.c.ended {
		return // nobody sees what it does
	}
	defer w.panics("machine")
	w.lingers(m)
	m.heard(w, in)
	if d, ok := in.(*sess.Data); ok {
		m.packet = w.handedOf(d.Payload)
	}
	acked := acknowledged(in)
	m.now, m.before = m.before, m.now
	if w.sabotage != nil {
		w.sabotage(stepper{m}, m.key, now, wall, in, out)
	} else {
		stepper{m}.Step(now, wall, in, out)
	}
	m.done = out.Done
	m.Inspect(&m.now)
	for i := range out.Counts {
		w.counts[out.Counts[i].What] += out.Counts[i].N
	}
	m.tell(w, in, out)
	w.bounded(m)
	w.unpacked(m, out)
	if d, ok := in.(*sess.Data); ok && len(acked) > 0 && m.understood(out) {
		w.acknowledged(m.life(w, d.AuthKeyID, d.SessionID), acked)
	}
	for i := range out.Sends {
		s := &out.Sends[i]
		w.packet(m, m.life(w, s.AuthKeyID, s.SessionID), s.AuthKeyID, s.SessionID, s.Bytes())
	}
	for _, r := range out.Replies {
		if len(r.Payload) > 0 {
			w.reply(m, r.Payload)
		}
	}
	for _, c := range out.Calls {
		w.stores(m, c.Request)
		switch call := c.Request.(type) {
		case *sess.InvokeMethod:
			w.once(m, &call.Meta, call.Method)
		case *sess.SetPasswordPending:
			m.begins = w.c.now
		}
	}
}

// tell puts a step into the trace: what came in, and what came of it.
func (m *machine) tell(w *watch, in sess.Input, out *sess.Effects) {
	what, id := "", int64(0)
	switch in := in.(type) {
	case *sess.Data:
		what, id = "takes a packet", in.SessionID
	case *sess.ConnNew:
		if what, id = "hears of a connection", in.SessionID; in.Introduced {
			what = "is introduced"
		}
	case *sess.Announced:
		if what = "is announced"; in.Failed {
			what = "is not announced"
		}
	case *sess.Forgotten:
		what = "is forgotten"
	case *sess.ConnClosed:
		what, id = "hears of a connection's end", in.SessionID
	case *sess.SendFailed:
		what, id = "hears that a packet failed", in.SessionID
	case *sess.HTTPGone:
		what = "hears that a reader is gone"
	case *sess.Bound:
		what, id = "is bound elsewhere", in.To
	case *sess.PushUpdates:
		what, id = "takes update", int64(w.c.sync.serialOf(in.Updates))
	case *sess.PushSessionUpdates:
		what, id = "takes a session's update", int64(w.c.sync.serialOf(in.Updates))
	case *sess.PushesLost:
		what = "hears of lost updates"
	case *sess.PushRPCResult:
		what, id = "takes a promised result", in.ReqMsgID
	case *sess.CallDone:
		if what = "has an outcome"; in.Err != nil {
			what, id = "has an error", int64(in.Err.Code)
		}
	case *sess.Adopt:
		what, m.adopts = "adopts sessions", w.c.now
	case *sess.Returned:
		what, m.returned = "is back", w.c.now
	case *sess.Settled:
		what = "came early"
	case *sess.HandOff:
		what = "is asked for"
		w.movedAt[m.key] = w.c.now
	case *sess.Arrived:
		what = "arrives"
	case *sess.Drain:
		m.drains, what = true, "drains"
	case *sess.Tick:
		what = "wakes"
	}
	w.c.note(m.n.addr[:8], what, m.key, id, int64(len(out.Sends)<<8+len(out.Calls)))
}

// heard notes word that the key's login has ended. To one that has logged out itself it
// says nothing: answers of the login that it had may come yet.
func (m *machine) heard(w *watch, in sess.Input) {
	if p, ok := in.(*sess.PushUpdates); ok && m.revoked == 0 && m.now.State != sess.StateLoggedOut {
		user := w.c.ownerOf(m.key)
		if bytes.Equal(p.Updates, reset(w.c.schema, user, m.key)) {
			m.revoked, m.late = w.c.now, m.now.State == sess.StateUnauthorized || m.now.State == sess.StateUnknown
		}
	}
}

// life is a session of the server, from its making to its end.
type life struct {
	acked   map[int64]bool // messages that the client says it has
	since   int64          // when it was first seen
	unique  int64          // of new_session_created
	lastID  int64
	lastSeq int32
	on      *machine
}

// life finds the session that a packet is of, as it is or was before the step.
func (m *machine) life(w *watch, key, id int64) *life {
	for _, view := range [2]*sess.View{&m.now, &m.before} {
		for i := range view.Sessions {
			if s := &view.Sessions[i]; s.ID == id && (s.AuthKeyID == key || key == 0) {
				l := w.lives[s.Life]
				if l == nil {
					l = &life{acked: map[int64]bool{}, since: w.c.now}
					w.lives[s.Life] = l
				}
				l.on = m
				return l
			}
		}
	}
	return nil
}

// Invariant: what a key may hold is bounded.
func (w *watch) bounded(m *machine) {
	c, v := &w.c.limits, &m.now
	// What a temp key brings along comes on top, and what a packet brings
	// may leave only with it.
	w.check(len(v.Sessions) <= c.MaxSessions+64, "bounds", "key %x has %d sessions", m.key, len(v.Sessions))
	w.check(v.Calls <= 2*(c.MaxQueued+c.MaxInFlight), "bounds", "key %x has %d calls", m.key, v.Calls)
	w.check(v.Running <= 2*c.MaxInFlight, "bounds", "key %x has %d calls at BFFs", m.key, v.Running)
	w.check(v.HeldPushes <= c.HeldPushes, "bounds", "key %x holds %d pushes", m.key, v.HeldPushes)
	w.check(v.HeldPackets <= c.HeldPackets, "bounds", "key %x holds %d packets", m.key, v.HeldPackets)
	bytes := 0
	for i := range v.Sessions {
		s := &v.Sessions[i]
		bytes += s.Bytes
		w.check(s.Window <= 9*c.Window, "bounds", "session %x remembers %d ids", s.ID, s.Window)
		w.check(s.Messages <= c.OutboxMessages+32, "bounds", "session %x holds %d messages", s.ID, s.Messages)
		w.check(s.Bytes <= c.AnswerBytes+1<<16, "bounds", "session %x holds %d bytes", s.ID, s.Bytes)
		w.check(s.Acks <= c.Window, "bounds", "session %x owes %d acknowledgments", s.ID, s.Acks)
		w.check(s.Requests <= c.HTTPRequests, "bounds", "session %x holds %d HTTP requests", s.ID, s.Requests)
	}
	w.check(bytes <= max(c.KeyBytes, c.PayloadBytes)+1<<16 && (v.State != sess.StateNormal || bytes <= c.KeyBytes+1<<16), "bounds", "key %x holds %d bytes", m.key, bytes)
}

// Invariant: what a packet becomes when it is unpacked is bounded, and the bound is a
// small one where its key has no login.
func (w *watch) unpacked(m *machine, out *sess.Effects) {
	most := w.c.limits.GunzipBytes
	if m.before.State != sess.StateNormal && m.now.State != sess.StateNormal {
		most = min(most, w.c.limits.NoLoginBytes)
	}
	for _, c := range out.Counts {
		w.check(c.What != sess.CountUnpacked || c.N <= most, "bounds", "a packet of key %x was unpacked to %d bytes", m.key, c.N)
	}
}

// reply looks at a packet that answers an HTTP request.
func (w *watch) reply(m *machine, payload []byte) {
	r := wire.NewReader(payload)
	r.Long()
	id := r.Long()
	for _, view := range [2]*sess.View{&m.now, &m.before} {
		for i := range view.Sessions {
			if s := &view.Sessions[i]; s.ID == id {
				w.packet(m, m.life(w, s.AuthKeyID, id), s.AuthKeyID, id, payload)
				return
			}
		}
	}
}

// packet looks at a packet for a client.
func (w *watch) packet(m *machine, l *life, key, id int64, payload []byte) {
	r := wire.NewReader(payload)
	r.Long()
	w.check(r.Long() == id, "identity", "a packet for session %x names another", id)
	outer := wire.Message{ID: r.Long(), Seq: r.Int()}
	size := int(r.Int())
	outer.Body = r.Rest()
	w.check(r.OK() && size == len(outer.Body) && size%4 == 0, "containers", "packet %x is malformed", outer.ID)
	w.check(len(payload) <= w.c.limits.PayloadBytes, "containers", "packet %x has %d bytes", outer.ID, len(payload))
	members := []wire.Message{outer}
	kind, _ := wire.PeekID(outer.Body)
	if kind == wire.IDMsgContainer {
		var err error
		members, err = wire.Members(nil, outer.Body, w.c.limits.ContainerOut)
		w.check(err == nil, "containers", "container %x: %v", outer.ID, err)
		for _, x := range members {
			inside, _ := wire.PeekID(x.Body)
			w.check(x.ID < outer.ID && x.Seq <= outer.Seq && inside != wire.IDMsgContainer,
				"containers", "message %x (seqno %d) in container %x (seqno %d)", x.ID, x.Seq, outer.ID, outer.Seq)
		}
		w.numbered(l, key, id, outer, append(members, outer)...)
	} else {
		w.numbered(l, key, id, outer, outer)
	}
	for _, x := range members {
		w.silent(m, l, key, id, x)
	}
}

// Invariant: message ids grow and are never used twice, their low bits say
// what they are, and seqnos count what is content-related.
func (w *watch) numbered(l *life, key, session int64, outer wire.Message, messages ...wire.Message) {
	for _, x := range messages {
		w.check(l == nil || !l.acked[x.ID], "acknowledgments", "message %x of session %x is sent again, which the client has", x.ID, session)
		id, hash := messageID{key, session, x.ID}, hashOf(x.Body)
		if sent, known := w.ids[id]; known {
			if sent.life != l && sent.at == w.c.now {
				continue // an unbound key's session and its perm key's; no clock but this one stands still
			}
			before := sent.hash
			w.check(before == hash && x.ID != outer.ID || before == hash && len(messages) == 1,
				"ids", "message id %x of session %x is used twice", x.ID, session)
			if l != nil {
				w.again(l.on, len(x.Body))
			}
			continue
		}
		w.ids[id] = sentID{hash, l, w.c.now}
		kind, _ := wire.PeekID(x.Body)
		bits, content := nature(kind)
		w.check(x.ID&3 == bits, "ids", "message %x of kind %x", x.ID, kind)
		w.check(x.Seq&1 != 0 == content, "seqnos", "message %x of kind %x has seqno %d", x.ID, kind, x.Seq)
		if kind == wire.IDNewSessionCreated && l != nil {
			r := wire.NewReader(x.Body[12:])
			unique := r.Long()
			w.check(l.unique == 0, "greetings", "session %x is announced twice", session)
			l.unique = unique
		}
		if l == nil {
			continue
		}
		w.check(x.ID > l.lastID, "ids", "message id %x of session %x does not grow", x.ID, session)
		w.check(x.Seq > l.lastSeq || !content && x.Seq == l.lastSeq, "seqnos", "seqno %d of message %x follows %d", x.Seq, x.ID, l.lastSeq)
		l.lastID, l.lastSeq = x.ID, x.Seq
	}
}

// nature is what the protocol says of a kind of message: the low bits of its
// id (https://core.telegram.org/mtproto/description#message-identifier-msg-id), and
// whether it is content-related.
func nature(kind uint32) (bits int64, content bool) {
	switch kind {
	case wire.IDRPCResult:
		return 1, true
	case wire.IDPong, wire.IDBadMsgNotification, wire.IDBadServerSalt, wire.IDMsgsStateInfo, wire.IDFutureSalts,
		wire.IDDestroySessionOK, wire.IDDestroySessionNone,
		wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone, wire.IDDestroyAuthKeyFail:
		return 1, false
	case wire.IDMsgContainer, wire.IDMsgsAck, wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo:
		return 3, false
	}
	return 3, true
}

// Invariant: a second after its login was ended, a key hears nothing of it but
// refusals, and that it may ask: until it has logged in again, what is answered
// was asked by nobody. What is pushed to one session is taken for word of the next
// login, as that of a login token, where the one that ended is not known: by a
// machine that has not known it or has been asked for another one, and by a session
// that came after its end, perhaps with a temp key that was bound then.
func (w *watch) silent(m *machine, l *life, key, session int64, x wire.Message) {
	if m.revoked == 0 || w.c.now < m.revoked+int64(time.Second) {
		return
	}
	if w.c.storage.logins[m.key] != nil {
		m.revoked = 0 // logged in again, perhaps before the word came that it was out
		return
	}
	switch kind, _ := wire.PeekID(x.Body); kind {
	case wire.IDRPCResult:
		r := wire.NewReader(x.Body[4:])
		id := callID{key, session, r.Long()}
		switch r.ID() {
		case wire.IDTrue, wire.IDRPCError, wire.IDRPCAnswerUnknown, wire.IDRPCAnswerDropped, wire.IDRPCAnswerDroppedRunning,
			wire.IDDestroyAuthKeyOK, wire.IDDestroyAuthKeyNone, wire.IDDestroyAuthKeyFail, idLoggedOut:
		default:
			w.check(w.c.bff.nobody[id], "revocation", "key %x was revoked at %s and gets answer %x", m.key, clock(m.revoked), x.ID)
		}
	case idUpdateShort, wire.IDGzipPacked:
		unknown := m.late || max(m.begins, m.adopts) > m.revoked || l != nil && l.since > m.revoked
		w.check(unknown && w.toSession(m.key, x.Body), "revocation", "key %x was revoked at %s and gets update %x", m.key, clock(m.revoked), x.ID)
	}
}

// clock is a time of a run as its trace has it.
func clock(at int64) string { return time.Duration(at - epoch).String() }
