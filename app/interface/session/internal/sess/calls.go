package sess

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

// phase is how far an API call has come.
type phase uint8

const (
	phaseState    phase = iota // waits until the auth state is known
	phaseReady                 // may be invoked once its turn has come
	phaseMarking               // waits until a possible login is marked as owing its password
	phaseRunning               // at a BFF
	phasePushed                // its result comes by PushRPCResult
	phaseClearing              // waits until that mark is gone
)

// pendingCall is an API call without an answer.
type pendingCall struct {
	s        *session
	method   *tl.Method
	pb       []byte
	after    []int64 // messages that must succeed first
	meta     Meta
	ticket   Ticket
	deadline int64      // of phase; 0: none
	mark     *loginMark // of a call that may begin a login, once it has one
	device   int64      // session that account.registerDevice names; 0: none
	ttlDays  int32      // what account.setAuthorizationTTL sets; 0: nothing
	trait    trait
	phase    phase
	stale    bool // while the call was under way a login was ended elsewhere: the one that made it, or the one that it begins
	asked    bool // the state was read for it once
	quiet    bool // invokeWithoutUpdates
	syncing  bool // holds updates back
	answered bool // the client has its answer already: rpc_drop_answer
	clocked  bool // AfterWait runs: the calls that it waits for have begun
}

// pendingCalls are the API calls of a key without an answer. What becomes of each is
// its own (pendingCall.phase).
//
// Between two Steps running is the number of calls in list whose phase is running,
// marking or clearing, and no more than MaxInFlight; what another node has handed over
// may be more.
type pendingCalls struct {
	list    []*pendingCall // by arrival
	running int32          // calls that are at a BFF, or whose mark is being set or cleared for it
	large   *largeAnswers  // the latest; nil: there were none
}

// largeAnswers are those of one method, of late.
type largeAnswers struct {
	method *tl.Method
	bytes  int // that one has, about
}

const (
	// answersOnWay is about how many bytes of the answers of one method may be on their
	// way to a key at a time: a node has each answer in memory a few times while it is
	// read and written. Without that bound 32 calls that are answered a megabyte each
	// take a hundred. Calls of other methods do not wait for them.
	answersOnWay = 4 << 20
	// largeAnswer is from where on an answer is large: of shorter ones few keys have too
	// many on their way.
	largeAnswer = 128 << 10
)

// weigh notes how many bytes the answer to a call has.
func (l *pendingCalls) weigh(c *pendingCall, bytes int) {
	switch {
	case l.large != nil && l.large.method == c.method:
		if l.large.bytes = max(bytes, l.large.bytes-l.large.bytes/4); l.large.bytes < largeAnswer {
			l.large = nil
		}
	case bytes >= largeAnswer && (l.large == nil || bytes > l.large.bytes):
		l.large = &largeAnswers{c.method, bytes}
	}
}

// ofLarge reports whether a call is of the method whose answers are large.
func (l *pendingCalls) ofLarge(c *pendingCall) bool {
	return l.large != nil && l.large.method == c.method
}

// largeRunning is how many such calls are at a BFF.
func (l *pendingCalls) largeRunning() (n int) {
	if l.large == nil {
		return 0
	}
	for _, c := range l.list {
		if c.phase == phaseRunning && l.ofLarge(c) {
			n++
		}
	}
	return n
}

// heavy reports whether one more call, beside running ones with large answers, may have
// too much of them on its way.
func (l *pendingCalls) heavy(c *pendingCall, running int) bool {
	return running > 0 && l.ofLarge(c) && (running+1)*l.large.bytes > answersOnWay
}

// add takes a call in.
func (l *pendingCalls) add(c *pendingCall) { l.list = append(l.list, c) }

// start notes that a call is on its way to a BFF.
func (l *pendingCalls) start() { l.running++ }

// promised notes that a BFF has let go of a call: its result comes by itself.
func (l *pendingCalls) promised() { l.running-- }

// remove takes a call out.
func (l *pendingCalls) remove(c *pendingCall) {
	if i := slices.Index(l.list, c); i >= 0 {
		if l.list = slices.Delete(l.list, i, i+1); len(l.list) == 0 {
			l.list = nil
		}
	}
	if c.phase == phaseMarking || c.phase == phaseRunning || c.phase == phaseClearing {
		l.running--
	}
}

// forgetWaiting takes those of a session out that are not at a BFF yet.
func (l *pendingCalls) forgetWaiting(s *session) {
	l.list = slices.DeleteFunc(l.list, func(c *pendingCall) bool { return c.s == s && c.phase <= phaseReady })
	if len(l.list) == 0 {
		l.list = nil
	}
}

// handOver forgets all: another wrapper has them now.
func (l *pendingCalls) handOver() { *l = pendingCalls{} }

// onCall takes an API call with its wrappers
// (https://core.telegram.org/api/invoking).
func (w *MainAuthWrapper) onCall(s *session, in *incoming, m wire.Message) {
	q, refusal := w.unwrap(in, m.Body)
	w.noteClient(s, in.d, &q)
	if refusal == nil && w.login.destroyed {
		w.count(CountRefused)
		refusal = errUnregistered
	}
	if refusal == nil {
		refusal = w.accept(s, in, m, &q)
	}
	if refusal != nil {
		w.answerError(s, m.ID, refusal.Code, refusal.Message)
	}
}

// accept takes the call inside the wrappers.
func (w *MainAuthWrapper) accept(s *session, in *incoming, m wire.Message, q *invocation) *RPCError {
	if service := serviceOf(q.id); service != nil {
		if !acknowledgeable(q.id) {
			s.unack(m.ID)
		}
		service(w, s, wire.Message{ID: m.ID, Seq: m.Seq, Body: q.body})
		return nil
	}
	switch {
	case q.id != wire.IDBindTempAuthKey && q.id != wire.IDDropTempAuthKeys:
	case w.busy():
		w.count(CountOverload)
		return errFlood
	case q.id == wire.IDBindTempAuthKey:
		return w.onBind(s, in, m, q)
	default:
		return w.onDropTemp(s, m, q)
	}
	method := w.schema.Method(q.id)
	if method == nil || method.Path == "" {
		w.count(CountUnknown)
		return rpcerr.ErrInputMethod
	}
	if in.d.Dead || w.hopeless(method.Name) {
		return w.denial()
	}
	if !w.mayAsk(s) || !w.room(traits[method.Name], len(q.body), len(q.after)) {
		w.count(CountOverload)
		return errFlood
	}
	pb, refusal := w.decode(in, q.body)
	if refusal != nil {
		return refusal
	}
	c := &pendingCall{s: s, method: method, pb: pb, after: q.after, trait: w.traitOf(method, pb), quiet: q.quiet}
	c.meta = Meta{
		ClientAddr: in.d.ClientIP, AuthKeyID: s.list.authKeyID, PermAuthKeyID: w.permKey(),
		SessionID: s.id, MsgID: m.ID, ReceiveTime: w.takenAt(in.d), Layer: s.layer, Takeout: q.takeout, Trace: in.d.Trace,
	}
	if c.trait&traitDevice != 0 {
		c.device = deviceSession(q.body)
	}
	if c.trait&traitTTL != 0 {
		c.ttlDays = ttlDays(q.body)
	}
	if len(q.after) > 0 {
		c.deadline = w.now + int64(chainWait)
	}
	w.calls.add(c)
	w.gate(c)
	return nil
}

// fileShare is the part of a limit of calls that calls of file parts may take. They
// come by the dozen and take long; what is left is for the calls of the same login
// that somebody looks at.
func fileShare(limit int) int { return max(1, limit*3/4) }

// room reports whether one more call may wait, of some bytes and for some others:
// one always may.
func (w *MainAuthWrapper) room(t trait, size, after int) bool {
	most, mostBytes, files := w.cfg.MaxQueued, w.cfg.QueuedBytes, t&traitFile != 0
	if w.login.state != StateNormal && !w.undecided() {
		mostBytes = min(mostBytes, 4*w.cfg.NoLoginBytes)
	}
	if files {
		most, mostBytes = fileShare(most), fileShare(mostBytes)
	}
	n, bytes, awaited := 0, 0, 0
	for _, c := range w.calls.list {
		if c.phase == phaseRunning {
			continue
		}
		awaited += len(c.after)
		if !files || c.trait&traitFile != 0 {
			n, bytes = n+1, bytes+len(c.pb)
		}
	}
	return n < most && (n == 0 || bytes+size <= mostBytes) && awaited+after <= maxAfter
}

// permKey is the perm key of the wrapper; 0 while there is none.
func (w *MainAuthWrapper) permKey() int64 {
	if w.binding.unbound {
		return 0
	}
	return w.key
}

// ready lets a call through the gate. From here on it is the login's at hand
// that makes it, with what the client has told so far.
func (w *MainAuthWrapper) ready(c *pendingCall) {
	c.phase = phaseReady
	c.meta.UserID = 0
	if w.login.state == StateNormal {
		c.meta.UserID = w.login.userID
		w.subscribe(c)
	}
	if c.meta.Layer == 0 {
		c.meta.Layer = w.profile.layer
	}
	c.meta.Client, c.meta.LangPack, c.meta.LangCode = w.profile.client.name, w.profile.client.langPack, w.profile.client.langCode
}

// pump invokes the calls whose turn has come. What waits for others is judged before,
// and again after: AfterWait of a call begins when those that it waits for are invoked.
func (w *MainAuthWrapper) pump() {
	if w.draining || w.leaving || w.binding.outcome != nil {
		return
	}
	for waits := true; waits; {
		waits = w.judgeWaits()
		waits = w.invokeReady() && waits
	}
}

// invokeReady invokes calls that wait for no others. It reports whether there were any.
func (w *MainAuthWrapper) invokeReady() (some bool) {
	files, large := w.filesRunning(), w.calls.largeRunning()
	for _, c := range w.calls.list {
		if int(w.calls.running) >= w.cfg.MaxInFlight {
			break
		}
		if c.phase != phaseReady || len(c.after) > 0 || w.profile.saving > 0 && w.login.state != StateNormal {
			continue
		}
		if w.mustWait(c) || w.tooEarly(c) || c.trait&traitFile != 0 && files >= fileShare(w.cfg.MaxInFlight) {
			continue
		}
		if w.calls.heavy(c, large) {
			continue
		}
		if w.asksUnseen(c) { // it did not wait for ever: what follows is told later
			w.pushes.miss()
		}
		if w.calls.start(); c.trait&traitFile != 0 {
			files++
		}
		if w.calls.ofLarge(c) {
			large++
		}
		some = true
		if c.trait&traitMarked != 0 {
			w.begin(c.s)
			w.mark(c)
			continue
		}
		w.invoke(c)
	}
	return some
}

// filesRunning is how many calls of file parts are at a BFF.
func (w *MainAuthWrapper) filesRunning() (n int) {
	for _, c := range w.calls.list {
		if c.trait&traitFile != 0 && c.phase == phaseRunning {
			n++
		}
	}
	return n
}

// mustWait reports whether a call has to wait for the outcome of another that
// may log in: one of that kind, because each decides what password is owed, and
// one that needs a login, because the one at hand may not be the key's any more.
func (w *MainAuthWrapper) mustWait(c *pendingCall) bool {
	return (c.trait&traitMarked != 0 || w.wantsLogin(c.method.Name, c.trait)) && w.loggingIn()
}

// loggingIn reports whether a call is under way that decides what password is
// owed.
func (w *MainAuthWrapper) loggingIn() bool {
	return slices.ContainsFunc(w.calls.list, func(c *pendingCall) bool {
		return c.trait&traitMarked != 0 && c.phase > phaseReady
	})
}

// invoke sends a call to its BFF.
func (w *MainAuthWrapper) invoke(c *pendingCall) {
	c.phase = phaseRunning
	c.ticket = w.call(&InvokeMethod{Method: c.method, PB: c.pb, Meta: c.meta})
	c.pb = nil
}

// refuse ends a call by an error.
func (w *MainAuthWrapper) refuse(c *pendingCall, e *RPCError) {
	w.finishCall(c)
	switch {
	case c.s.list == nil:
		return
	case c.answered: // rpc_drop_answer; but others may wait for the outcome
		c.s.window.fail(c.meta.MsgID)
	default:
		w.answerError(c.s, c.meta.MsgID, e.Code, e.Message)
	}
	if r := c.s.window.find(c.meta.MsgID); r != nil && e == errWaitTimeout {
		r.flags |= recvLate
	}
}

// finishCall takes a call off the list.
func (w *MainAuthWrapper) finishCall(c *pendingCall) {
	w.out.concluded, w.out.concludedTrace = c.meta.MsgID, c.meta.Trace
	w.calls.remove(c)
	if c.syncing {
		w.release(c.s)
	}
}

// findCall finds the call of a message.
func (w *MainAuthWrapper) findCall(s *session, msgID int64) *pendingCall {
	for _, c := range w.calls.list {
		if c.s == s && c.meta.MsgID == msgID {
			return c
		}
	}
	return nil
}

// dropCalls forgets the calls of a dropped session that are not at a BFF yet.
// The others go on: what they do to the login still counts.
func (w *MainAuthWrapper) dropCalls(s *session) { w.calls.forgetWaiting(s) }

// expireCalls ends the waits that have lasted too long.
func (w *MainAuthWrapper) expireCalls() {
	for _, c := range slices.Clone(w.calls.list) {
		if c.deadline == 0 || c.deadline > w.now {
			continue
		}
		switch c.phase {
		case phaseState, phaseReady:
			w.refuse(c, errWaitTimeout)
		case phasePushed:
			w.refuse(c, ErrTimeout)
		case phaseRunning: // by another node, which has not said what came of it
			w.onMethodDone(c, &CallDone{Err: ErrTimeout})
		case phaseClearing:
			if c.deadline = 0; w.draining && !c.mark.told { // see onCleared
				w.conclude(c, c.mark.done)
				continue
			}
			w.clearMark(c)
		}
	}
}

// awaitsAnswer reports whether a client is still to get an answer that has been
// asked for elsewhere.
func (w *MainAuthWrapper) awaitsAnswer() bool {
	return slices.ContainsFunc(w.calls.list, func(c *pendingCall) bool { return c.phase == phasePushed }) ||
		slices.ContainsFunc(w.asks, func(a ask) bool { return a.s != nil })
}

// ttlDays reads account.setAuthorizationTTL; 0 is not a number of days.
func ttlDays(body []byte) int32 {
	r := wire.NewReader(body)
	r.ID()
	if days := r.Int(); r.Done() && days > 0 {
		return days
	}
	return 0
}
