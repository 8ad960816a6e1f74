package sess

import (
	"slices"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// A key that moves to another node takes with it all that this one has of it in
// memory: what its sessions have received, what they were sent and have not
// acknowledged, the calls without an answer. So nobody notices: no session is
// greeted anew, no call is made twice, no update is missed. Calls that are at a BFF
// stay there; their outcomes follow (CallDone), by their tickets.
//
// What is not taken along is asked for anew, or goes on by itself: calls to
// authsession, which are waited for first, for Config.HandOffWait; open HTTP requests,
// which are answered; what status knows, which the new owner is told to renew.

// leaves reports whether the wrapper is asked to hand its key over, and may.
func (w *MainAuthWrapper) leaves() bool {
	return w.leaving && len(w.asks) == 0 && !w.binding.unbound
}

// onHandOff begins to leave. Nothing new begins, and what peers are asked for is waited
// for, but not for long: the node that asks waits, too.
func (w *MainAuthWrapper) onHandOff() {
	w.leaving, w.leaveBy = true, w.now+int64(w.cfg.HandOffWait)
}

// leavesAt is when peers are not waited for any more; 0: nobody waits for them.
func (w *MainAuthWrapper) leavesAt() int64 {
	if !w.leaving || len(w.asks) == 0 || w.binding.unbound {
		return 0
	}
	return w.leaveBy
}

// stopWaiting takes what peers are still asked for as not answered. A read of the login
// is not: the node that gets the key reads it, for the calls that wait for it.
func (w *MainAuthWrapper) stopWaiting() {
	for _, a := range slices.Clone(w.asks) {
		switch a.kind {
		case askState, askUncleared:
			w.asks = slices.DeleteFunc(w.asks, func(other ask) bool { return other.ticket == a.ticket })
			w.login.endRead()
			w.login.doubt()
			for _, c := range w.calls.list {
				c.asked = c.asked && c.phase != phaseState // refused without a read they must not be
			}
		default:
			w.onCallDone(&CallDone{Ticket: a.ticket, Err: ErrTimeout})
		}
	}
}

// keyFlags are what is true of a key, a bit each of KeyState.flags.
type keyFlags uint32

// New ones are appended: the node at the other end may be of another release.
const (
	keyDestroyed keyFlags = 1 << iota
	keyStale
	keySuspect
	keyPasswordOwed
	keyStoreLater
	keyGap
	keySessionGaps
	keyWakeDue
	keyPushUnsaved
	keyUnread
)

// sessionFlags are what is true of a session, a bit each of KeySession.flags.
type sessionFlags uint32

// New ones are appended, as those of a key.
const (
	sessionOnline sessionFlags = 1 << iota
	sessionGreeted
	sessionSubscribed
	sessionLived
	sessionSupposed
	sessionGap
	sessionFiles
	sessionDeclined
	sessionEnded
	sessionDoomed
	sessionAgain
	sessionThrottled
	sessionLeads
)

// when is the bit of a flag where it is true.
func when[F ~uint32](flag F, yes bool) uint32 {
	if yes {
		return uint32(flag)
	}
	return 0
}

// has reports whether a flag is among others.
func has[F ~uint32](flags uint32, flag F) bool { return flags&uint32(flag) != 0 }

// messageFlags are those of a message, in the order of KeyMessage.flags.
func (m *outMsg) messageFlags() []*bool { return []*bool{&m.due, &m.told, &m.had} }

// callFlags are those of a call, in the order of KeyCall.flags.
func (c *pendingCall) callFlags() []*bool {
	return []*bool{&c.stale, &c.asked, &c.quiet, &c.syncing, &c.answered, &c.clocked}
}

func packFlags(flags []*bool) (bits uint32) {
	for i, f := range flags {
		if *f {
			bits |= 1 << i
		}
	}
	return bits
}

func unpackFlags(flags []*bool, bits uint32) {
	for i, f := range flags {
		*f = bits>>i&1 != 0
	}
}

// moment turns a time into one that another node understands, whose clock is not
// ours: how far it is from now.
func (w *MainAuthWrapper) moment(t int64) int64 {
	switch {
	case t == 0:
		return 0
	case t >= w.now:
		return t - w.now + 1 // 0 is no time
	}
	return t - w.now
}

// export is all that there is of the key. It shares memory with the wrapper, which
// must not be used any more.
func (w *MainAuthWrapper) export() *sessionpb.KeyState {
	if w.presence.unheard() { // whether status had lost the entry, nobody will hear
		w.pushes.miss()
	}
	st := &sessionpb.KeyState{
		Ticket: uint64(w.ticket), LastId: w.lastID, RepeatedTo: w.moment(w.repeatedTo),
	}
	w.login.export(st, w.moment)
	w.pushes.export(st, w.moment)
	w.presence.export(st, w.moment)
	w.profile.export(st, w.moment)
	w.gone.export(st, w.moment)
	for l := range w.lists() {
		st.Lists = append(st.Lists, w.exportList(l))
	}
	for _, c := range w.calls.list {
		st.Calls = append(st.Calls, w.exportCall(c))
	}
	return st
}

func (w *MainAuthWrapper) exportList(l *SessionList) *sessionpb.KeyList {
	out := &sessionpb.KeyList{
		AuthKeyId: l.authKeyID, KeyType: int32(l.keyType), BoundUntil: l.boundUntil,
		UsedAt: w.moment(l.usedAt), RetryAt: w.moment(l.retryAt), Lent: l.adoptedSalt, Lenient: l.saltsUnavailable,
	}
	for _, s := range l.salts {
		out.Salts = append(out.Salts, &sessionpb.KeySalt{Since: s.Since, Until: s.Until, Salt: uint64(s.Salt)})
	}
	for _, s := range l.sessions {
		out.Sessions = append(out.Sessions, w.exportSession(s))
	}
	return out
}

func (w *MainAuthWrapper) exportSession(s *session) *sessionpb.KeySession {
	out := &sessionpb.KeySession{
		Id: uint64(s.id), ServerId: s.server, Ip: s.ip, Http: s.http != nil,
		WindowFloor: s.window.floor, Acks: s.acks, LastId: s.lastID, Until: w.moment(s.until),
		ConnAt: w.moment(s.connAt), CloseDue: w.moment(s.closeDue), First: s.first, GreetAt: w.moment(s.greetAt),
		LastSeen: w.moment(s.lastSeen), PingAt: w.moment(s.pingAt), AckAt: w.moment(s.ackAt), ResendAt: w.moment(s.resendAt),
		ToldAt: w.moment(s.toldAt), Content: s.content, Layer: s.layer, PingDelay: s.pingDelay, Refused: s.refused,
		Looks: uint32(s.looks), TakesUpdates: w.pushes.target == s,
		Flags: s.updates.export() | when(sessionOnline, s.online) | when(sessionGreeted, s.greeted) | when(sessionEnded, s.ended) |
			when(sessionDoomed, s.doomed) | when(sessionAgain, s.again) | when(sessionThrottled, s.throttled) | when(sessionLeads, s.leads),
	}
	if s.leads {
		out.Ahead = w.now + s.lead - w.wall
	}
	last := int64(0)
	for _, r := range s.window.ids {
		out.WindowIds, last = append(out.WindowIds, r.id-last), r.id
		out.WindowSeqs = append(out.WindowSeqs, r.seq)
		out.WindowStates, out.WindowFlags = append(out.WindowStates, r.state), append(out.WindowFlags, r.flags)
	}
	out.Queue, out.Sent = w.exportMessages(s.queue), w.exportMessages(s.sent)
	return out
}

func (w *MainAuthWrapper) exportMessages(list []outMsg) (out []*sessionpb.KeyMessage) {
	for i := range list {
		m := &list[i]
		out = append(out, &sessionpb.KeyMessage{
			Id: m.id, Req: m.req, Body: m.body, SentAt: w.moment(m.sentAt), Seq: m.seq,
			Kind: uint32(m.kind), Sends: uint32(m.sends), Tries: uint32(m.tries), Flags: packFlags(m.messageFlags()),
		})
	}
	return out
}

func (w *MainAuthWrapper) exportCall(c *pendingCall) *sessionpb.KeyCall {
	m := &c.meta
	out := &sessionpb.KeyCall{
		Session: uint64(c.s.id), Orphan: c.s.list == nil, AuthKeyId: m.AuthKeyID, Method: c.method.ID,
		Request: c.pb, After: c.after, Ticket: uint64(c.ticket), Deadline: w.moment(c.deadline), Device: c.device, TtlDays: c.ttlDays,
		Trait: uint32(c.trait), Phase: uint32(c.phase), Flags: packFlags(c.callFlags()),
		Meta: &sessionpb.CallMeta{
			ClientAddr: m.ClientAddr, AuthKeyId: m.AuthKeyID, PermAuthKeyId: m.PermAuthKeyID, SessionId: m.SessionID, MsgId: m.MsgID,
			ReceiveTime: m.ReceiveTime, UserId: m.UserID, Layer: m.Layer, Client: m.Client, LangPack: m.LangPack, LangCode: m.LangCode,
		},
	}
	if t := m.Takeout; t != nil {
		out.Meta.Takeout, out.Meta.TakeoutId, out.Meta.MinId, out.Meta.MaxId, out.Meta.HasRange = true, t.ID, t.MinID, t.MaxID, t.HasRange
	}
	if k := c.mark; k != nil {
		out.Mark = &sessionpb.LoginMark{Owner: k.owner, User: k.user, Told: k.told, Tries: uint32(k.tries)}
		if k.done != nil {
			out.Mark.Done = Outcome(k.done)
		}
		if k.word != nil {
			out.Mark.HasWord, out.Mark.WordState, out.Mark.WordUser = true, int32(k.word.State), k.word.UserID
		}
	}
	return out
}

// Outcome is a CallDone of an API call as another node can take it.
func Outcome(in *CallDone) *sessionpb.CallOutcome {
	out := &sessionpb.CallOutcome{Ticket: uint64(in.Ticket)}
	if in.Err != nil {
		out.Failed, out.Code, out.Message = true, in.Err.Code, in.Err.Message
		return out
	}
	if r, ok := in.Result.(*MethodResult); ok {
		if out.Reply, out.Pushed = r.PB, r.Pushed; r.Method != nil {
			out.Method = r.Method.ID
		}
	}
	return out
}
