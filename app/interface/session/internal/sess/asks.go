package sess

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// askKind is what a call that is no API call is for.
type askKind uint8

const (
	askState askKind = iota
	askSalts
	askFutureSalts
	askBind
	askLayer
	askClient
	askPushSession
	askMark      // password pending, before the API call
	askClear     // no password pending, after it
	askUncleared // the same, later
	askMarkUser
	askTTL
	askDestroy
	askDropTemp
)

// ask is a call to a peer that is no API call.
type ask struct {
	ticket  Ticket
	list    *SessionList
	s       *session
	call    *pendingCall
	msgID   int64
	perm    int64  // key to bind to
	device  int64  // session that takes push messages
	until   uint32 // when that binding ends, Unix seconds
	n       int32
	kind    askKind
	dropped bool // the client has its answer already: rpc_drop_answer
}

// maxAsks bounds the calls to peers that a client causes with its own.
const maxAsks = 64

// busy reports whether peers are asked for as much as a client may cause. What
// they would have been told is told when the client says it again.
func (w *MainAuthWrapper) busy() bool { return len(w.asks) >= maxAsks }

func (w *MainAuthWrapper) ask(a ask, r Request) {
	a.ticket = w.call(r)
	w.asks = append(w.asks, a)
}

// asksFor reports whether a peer is being asked for something of a kind.
func (w *MainAuthWrapper) asksFor(kind askKind) bool {
	return slices.ContainsFunc(w.asks, func(a ask) bool { return a.kind == kind })
}

// findAsk finds what a peer is being asked for a message that is no API call.
func (w *MainAuthWrapper) findAsk(s *session, msgID int64) *ask {
	i := slices.IndexFunc(w.asks, func(a ask) bool { return a.s == s && a.msgID == msgID })
	if i < 0 {
		return nil
	}
	return &w.asks[i]
}

// respond gives the client what came of an ask: an error or an object.
func (w *MainAuthWrapper) respond(a *ask, e *RPCError, object []byte) {
	switch {
	case a.s == nil || a.s.list == nil:
	case a.dropped: // but others may wait for the outcome
		if e != nil {
			a.s.window.fail(a.msgID)
		}
	case e != nil:
		w.answerError(a.s, a.msgID, e.Code, e.Message)
	default:
		w.answer(a.s, a.msgID, append(wire.AppendResult(make([]byte, 0, wire.ResultHeader+len(object)), a.msgID), object...))
	}
}

// onCallDone completes a call.
func (w *MainAuthWrapper) onCallDone(in *CallDone) {
	for _, c := range w.calls.list {
		if c.ticket == in.Ticket && c.phase == phaseRunning {
			w.onMethodDone(c, in)
			return
		}
	}
	i := slices.IndexFunc(w.asks, func(a ask) bool { return a.ticket == in.Ticket })
	if i < 0 {
		if late, ok := in.Result.(*MethodResult); ok {
			late.free()
		}
		return
	}
	a := w.asks[i]
	if w.asks = slices.Delete(w.asks, i, i+1); len(w.asks) == 0 {
		w.asks = nil
	}
	switch a.kind {
	case askState:
		state, _ := in.Result.(*AuthState)
		w.onState(state, in.Err)
	case askSalts:
		salts, _ := in.Result.(*Salts)
		w.onSalts(a.list, salts)
	case askFutureSalts:
		salts, _ := in.Result.(*Salts)
		w.onFutureSalts(a, salts)
	case askBind:
		w.onBound(a, in.Err)
	case askLayer:
		if in.Err != nil {
			w.profile.loseLayer()
		}
	case askClient:
		if w.profile.savedClient(in.Err != nil); in.Err == nil {
			w.login.introduce()
		}
	case askPushSession:
		w.pushes.registered(a.device, in.Err != nil)
	case askMark:
		word, _ := in.Result.(*LoginWord)
		w.onMarked(a.call, word, in.Err)
	case askClear:
		word, _ := in.Result.(*LoginWord)
		w.onCleared(a.call, word, in.Err)
	case askMarkUser:
		word, _ := in.Result.(*LoginWord)
		w.onOwed(word)
	case askUncleared:
		w.onUncleared(in.Err)
	case askTTL:
	case askDestroy:
		gone, _ := in.Result.(*KeysGone)
		w.onDestroyed(a, gone, in.Err)
	case askDropTemp:
		gone, _ := in.Result.(*KeysGone)
		w.onTempDropped(a, gone, in.Err)
	}
}
