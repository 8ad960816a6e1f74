package sess

import (
	"errors"
	"io"
	"slices"

	sessionpb "github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// ErrState says that a KeyState cannot be one of this release, or of any.
var ErrState = errors.New("sess: a key's state cannot be read")

// Import makes the wrapper of a perm key that comes from another node, as far as
// Step (wrapper.go) has to know: now and wall are as there. The first input of the
// wrapper must be Arrived. It takes ownership of st. A state that contradicts itself
// is ErrState.
func Import(key int64, st *sessionpb.KeyState, now, wall int64, cfg *Config, schema *tl.Schema, rnd io.Reader) (*MainAuthWrapper, error) {
	w := New(key, false, cfg, schema, rnd)
	w.now, w.wall, w.out = now, wall, new(Effects) // what there is no room for here is dropped, and tells nobody
	defer func() { w.out = nil }()
	w.ticket, w.lastID, w.cameAt = Ticket(st.GetTicket()), st.GetLastId(), now
	w.login.restore(key, st, w.at)
	w.pushes.restore(st, w.at)
	w.presence.restore(st, w.at, now)
	w.profile.restore(st, w.at)
	w.repeatedTo = w.at(st.GetRepeatedTo())
	w.gone.restore(st, w.at)
	for _, l := range st.GetLists() {
		if !w.importList(l) {
			return nil, ErrState
		}
	}
	for _, c := range st.GetCalls() {
		if !w.importCall(c) {
			return nil, ErrState
		}
	}
	return w, nil
}

// at is the time that moment gave away, by this node's clock.
func (w *MainAuthWrapper) at(moment int64) int64 {
	switch {
	case moment == 0:
		return 0
	case moment > 0:
		return w.now + moment - 1
	}
	return w.now + moment
}

func (w *MainAuthWrapper) importList(in *sessionpb.KeyList) bool {
	l := &SessionList{
		authKeyID: in.GetAuthKeyId(), keyType: KeyType(in.GetKeyType()), boundUntil: in.GetBoundUntil(),
		usedAt: w.at(in.GetUsedAt()), retryAt: w.at(in.GetRetryAt()), adoptedSalt: in.GetLent(), saltsUnavailable: in.GetLenient(),
	}
	if l.keyType != PermKey && w.set(l.keyType) == nil || l.keyType == PermKey && w.mainAuth != nil || w.findList(l.keyType, l.authKeyID) != nil {
		return false
	}
	for _, s := range in.GetSalts() {
		l.salts = append(l.salts, Salt{Since: s.GetSince(), Until: s.GetUntil(), Salt: int64(s.GetSalt())})
	}
	for _, s := range in.GetSessions() {
		if !w.importSession(l, s) {
			return false
		}
	}
	w.addList(l)
	return true
}

func (w *MainAuthWrapper) importSession(l *SessionList, in *sessionpb.KeySession) bool {
	s := &session{
		id: int64(in.GetId()), list: l, server: in.GetServerId(), ip: in.GetIp(),
		acks: in.GetAcks(), lastID: in.GetLastId(), lead: in.GetAhead() + w.wall - w.now, until: w.at(in.GetUntil()),
		connAt: w.at(in.GetConnAt()), closeDue: w.at(in.GetCloseDue()), first: in.GetFirst(), greetAt: w.at(in.GetGreetAt()),
		lastSeen: w.at(in.GetLastSeen()), pingAt: w.at(in.GetPingAt()), ackAt: w.at(in.GetAckAt()), resendAt: w.at(in.GetResendAt()),
		toldAt: w.at(in.GetToldAt()), content: in.GetContent(), layer: in.GetLayer(), pingDelay: in.GetPingDelay(), refused: in.GetRefused(),
		looks:  uint8(min(in.GetLooks(), judged)),
		online: has(in.GetFlags(), sessionOnline), greeted: has(in.GetFlags(), sessionGreeted), ended: has(in.GetFlags(), sessionEnded),
		doomed: has(in.GetFlags(), sessionDoomed), again: has(in.GetFlags(), sessionAgain), throttled: has(in.GetFlags(), sessionThrottled),
		leads: has(in.GetFlags(), sessionLeads),
	}
	s.updates.restore(in.GetFlags())
	n := len(in.GetWindowIds())
	if l.find(s.id) != nil || n != len(in.GetWindowSeqs()) || n != len(in.GetWindowStates()) || n != len(in.GetWindowFlags()) {
		return false
	}
	s.window.floor = in.GetWindowFloor()
	if n > 0 {
		s.window.ids = make([]received, n)
	}
	last := int64(0)
	for i, d := range in.GetWindowIds() {
		if i > 0 && d <= 0 {
			return false
		}
		last += d
		s.window.ids[i] = received{id: last, seq: in.GetWindowSeqs()[i], state: in.GetWindowStates()[i], flags: in.GetWindowFlags()[i]}
	}
	var ok bool
	if s.queue, ok = w.importMessages(s, in.GetQueue()); !ok {
		return false
	}
	if s.sent, ok = w.importMessages(s, in.GetSent()); !ok {
		return false
	}
	for i := range s.sent {
		if i > 0 && s.sent[i].id <= s.sent[i-1].id {
			return false
		}
	}
	if in.GetHttp() {
		if s.http = new(httpState); len(s.queue) > 0 {
			s.http.queued(w.now)
		}
	}
	if in.GetTakesUpdates() {
		w.pushes.askedBy(s)
	}
	l.sessions = append(l.sessions, s)
	return true
}

func (w *MainAuthWrapper) importMessages(s *session, in []*sessionpb.KeyMessage) (list []outMsg, ok bool) {
	for _, p := range in {
		if p.GetKind() > uint32(outNote) {
			return nil, false
		}
		m := outMsg{
			id: p.GetId(), req: p.GetReq(), body: p.GetBody(), sentAt: w.at(p.GetSentAt()), seq: p.GetSeq(),
			kind: outKind(p.GetKind()), sends: uint8(min(p.GetSends(), 255)), tries: uint8(min(p.GetTries(), 255)),
		}
		unpackFlags(m.messageFlags(), p.GetFlags())
		s.bytes += len(m.body)
		list = append(list, m)
	}
	return list, true
}

func (w *MainAuthWrapper) importCall(in *sessionpb.KeyCall) bool {
	method := w.schema.Method(in.GetMethod())
	m := in.GetMeta()
	c := &pendingCall{
		s: w.findSession(m.GetAuthKeyId(), int64(in.GetSession())), method: method, pb: in.GetRequest(), after: in.GetAfter(),
		ticket: Ticket(in.GetTicket()), deadline: w.at(in.GetDeadline()), device: in.GetDevice(), ttlDays: in.GetTtlDays(),
		trait: trait(in.GetTrait()), phase: phase(in.GetPhase()), // a release that knows more of them is a later one
		meta: Meta{
			ClientAddr: m.GetClientAddr(), AuthKeyID: m.GetAuthKeyId(), PermAuthKeyID: m.GetPermAuthKeyId(), SessionID: m.GetSessionId(), MsgID: m.GetMsgId(),
			ReceiveTime: m.GetReceiveTime(), UserID: m.GetUserId(), Layer: m.GetLayer(), Client: m.GetClient(), LangPack: m.GetLangPack(), LangCode: m.GetLangCode(),
		},
	}
	unpackFlags(c.callFlags(), in.GetFlags())
	if m.GetTakeout() {
		c.meta.Takeout = &Takeout{ID: m.GetTakeoutId(), MinID: m.GetMinId(), MaxID: m.GetMaxId(), HasRange: m.GetHasRange()}
	}
	if k := in.GetMark(); k != nil {
		c.mark = &loginMark{owner: k.GetOwner(), user: k.GetUser(), told: k.GetTold(), tries: uint8(min(k.GetTries(), 255))}
		if k.GetDone() != nil {
			c.mark.done = FromOutcome(k.GetDone(), w.schema)
		}
		if k.GetHasWord() {
			c.mark.word = &LoginWord{State: State(k.GetWordState()), UserID: k.GetWordUser()}
		}
	}
	if method == nil || method.Path == "" || c.phase > phaseClearing || c.phase == phaseMarking ||
		c.phase == phaseClearing && (c.mark == nil || c.mark.done == nil) {
		return false
	}
	if len(c.pb) > 0 {
		c.trait = w.traitOf(method, c.pb)
	}
	if c.trait&traitMarked != 0 && c.phase > phaseReady && c.mark == nil {
		return false
	}
	if c.s == nil || in.GetOrphan() { // its session has ended, or has no place here
		if c.phase <= phaseReady {
			return true
		}
		c.s, c.syncing = new(session), false // the outcome counts all the same
	}
	if c.phase == phaseClearing && c.deadline == 0 {
		c.deadline = w.now
	}
	c.syncing = c.syncing && c.s.updates.holdBack()
	if c.phase == phaseRunning || c.phase == phaseClearing {
		w.calls.start()
	}
	if c.phase == phaseRunning {
		c.deadline = w.now + int64(w.cfg.RemoteWait)
	}
	w.calls.add(c)
	return true
}

func (w *MainAuthWrapper) findSession(authKeyID, id int64) *session {
	for l := range w.lists() {
		if l.authKeyID == authKeyID {
			return l.find(id)
		}
	}
	return nil
}

// FromOutcome is what Outcome was made of.
func FromOutcome(in *sessionpb.CallOutcome, schema *tl.Schema) *CallDone {
	done := &CallDone{Ticket: Ticket(in.GetTicket())}
	if in.GetFailed() {
		done.Err = &RPCError{Code: in.GetCode(), Message: in.GetMessage()}
		return done
	}
	if !in.GetPushed() && in.GetMethod() == 0 {
		return done
	}
	r := &MethodResult{PB: in.GetReply(), Pushed: in.GetPushed()}
	if in.GetMethod() != 0 {
		if r.Method = schema.Method(in.GetMethod()); r.Method == nil {
			done.Err = ErrInternal
			return done
		}
	}
	done.Result = r
	return done
}

// onArrived begins where the other node has ended.
func (w *MainAuthWrapper) onArrived() {
	for _, c := range slices.Clone(w.calls.list) {
		if c.phase == phaseState {
			w.gate(c)
		}
	}
	if w.login.suspect || w.login.stale && w.login.state == StateUnknown { // the other node has not read it
		w.loadState()
	}
	w.announce() // before a call asks for the state of updates
}
