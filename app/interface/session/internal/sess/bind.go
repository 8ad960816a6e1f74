package sess

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// binding is how far a temp key has come to be bound to a perm key (rule PFS-2). The
// wrapper of a perm key uses asking alone: the temp keys of its clients are bound, and
// some clients bind them again now and then.
//
// Between two Steps:
//   - outcome implies unbound: of any other key the call is answered at once.
//   - asking says the same as a search of asks for an askBind, unless the sessions of
//     the key have gone to its perm key.
type binding struct {
	outcome *ask // the call that has bound the key, while it waits for its answer; nil: none has
	unbound bool // the key is a temp key without a perm key, as far as authsession knew when it came
	asking  bool // authsession is asked to bind the key
}

// withoutPermKey begins the binding of a temp key that has none.
func (b *binding) withoutPermKey() { b.unbound = true }

// ask notes that authsession is being asked.
func (b *binding) ask() { b.asking = true }

// answered notes that it has answered; more says that it was asked by other calls, too.
func (b *binding) answered(more bool) { b.asking = more }

// succeed notes that the key is bound. The call is answered once nothing is in work
// any more that belongs to the sessions.
func (b *binding) succeed(a *ask) { b.outcome = a }

// handOver forgets the call, which is answered: the sessions go to the perm key.
func (b *binding) handOver() { b.outcome = nil }

// open reports whether the sessions of the key may still move to a perm key.
func (b *binding) open() bool { return b.asking || b.outcome != nil }

// onBind takes auth.bindTempAuthKey (rule PFS-2). authsession judges it; until
// then nothing changes for either key.
func (w *MainAuthWrapper) onBind(s *session, in *incoming, m wire.Message, q *invocation) *RPCError {
	r := wire.NewReader(q.body[4:])
	b := &BindTempKey{PermAuthKeyID: r.Long(), Nonce: r.Long(), ExpiresAt: r.Int(), EncryptedMessage: slices.Clone(r.Bytes())}
	if !r.Done() {
		w.count(CountUndecodable)
		return errFetch
	}
	b.Meta = Meta{
		ClientAddr: in.d.ClientIP, AuthKeyID: s.list.authKeyID, PermAuthKeyID: w.permKey(), SessionID: s.id, MsgID: m.ID,
		ReceiveTime: w.takenAt(in.d), UserID: w.login.userID, Layer: s.layer,
		Client: w.profile.client.name, LangPack: w.profile.client.langPack, LangCode: w.profile.client.langCode,
	}
	w.binding.ask()
	w.ask(ask{kind: askBind, list: s.list, s: s, msgID: m.ID, perm: b.PermAuthKeyID, until: uint32(max(b.ExpiresAt, 0))}, b)
	return nil
}

// onBound takes the outcome of auth.bindTempAuthKey (rules PFS-14 and PFS-17).
func (w *MainAuthWrapper) onBound(a ask, e *RPCError) {
	w.binding.answered(w.asksFor(askBind))
	if e == nil && w.binding.unbound && w.binding.outcome == nil && w.has(a.list) {
		w.binding.succeed(&a)
	} else {
		w.respond(&a, e, wire.AppendBool(nil, true))
	}
	if !w.binding.open() {
		w.regate(nil)
	}
}

// onBoundElsewhere takes word that the key is bound, of which its own call said
// nothing (rule PFS-2). Its sessions go to the perm key as if it had: else their calls
// would be made a second time there, by sessions that begin anew.
func (w *MainAuthWrapper) onBoundElsewhere(in *Bound) {
	if !w.binding.unbound || w.binding.outcome != nil {
		return
	}
	list := w.list(in.KeyType, w.key, in.Until)
	w.binding.succeed(&ask{kind: askBind, list: list, perm: in.To, until: list.boundUntil})
}

// bind answers auth.bindTempAuthKey of a key that was not bound, once no call
// of it is at a BFF any more: its sessions go with the answer, so that the
// client's next packet finds them with the perm key.
func (w *MainAuthWrapper) bind() (h *Handover) {
	waits := func(a ask) bool {
		return a.s != nil && a.kind != askFutureSalts || a.kind == askSalts && len(a.list.held) > 0
	}
	if w.binding.outcome == nil || w.calls.running > 0 || slices.ContainsFunc(w.asks, waits) {
		return nil
	}
	a, list := w.binding.outcome, w.binding.outcome.list
	for _, other := range w.asks {
		if other.kind == askFutureSalts {
			w.onFutureSalts(other, nil)
		}
	}
	w.respond(a, nil, wire.AppendBool(nil, true))
	list.asking, list.boundUntil = false, a.until
	return &Handover{To: a.perm, List: list, calls: w.calls.list, gone: w.gone}
}

// handOver empties the wrapper of a key whose sessions now go elsewhere.
func (w *MainAuthWrapper) handOver(h *Handover) {
	w.out.Handover = h
	w.removeList(h.List)
	w.calls.handOver()
	w.asks = nil
	w.binding.handOver()
	w.gone.forget()
}

// onDropTemp takes auth.dropTempAuthKeys (rule PFS-21).
func (w *MainAuthWrapper) onDropTemp(s *session, m wire.Message, q *invocation) *RPCError {
	r := wire.NewReader(q.body[4:])
	ids := r.Longs()
	if !r.Done() {
		w.count(CountUndecodable)
		return errFetch
	}
	if w.binding.unbound {
		return rpcerr.ErrPermEmpty
	}
	if w.login.state != StateUnknown && w.needsLogin(dropTempAuthKeys, traits[dropTempAuthKeys]) { // by NoLogin.Deny
		return w.denial()
	}
	except := make([]int64, ids.Len(), ids.Len()+1)
	for i := range except {
		except[i] = ids.At(i)
	}
	// TDLib queues this call with the keys of the moment and may send it under
	// a newer one. It means to keep the key that it speaks with: who lost it
	// would make another and send the same call again, without end.
	if s.list.keyType != PermKey && !slices.Contains(except, s.list.authKeyID) {
		except = append(except, s.list.authKeyID)
	}
	w.ask(ask{kind: askDropTemp, s: s, msgID: m.ID}, &DropTempKeys{PermAuthKeyID: w.key, Except: except})
	return nil
}

// onTempDropped answers auth.dropTempAuthKeys and forgets the keys' sessions
// (rule PFS-21).
func (w *MainAuthWrapper) onTempDropped(a ask, gone *KeysGone, e *RPCError) {
	w.respond(&a, e, wire.AppendBool(nil, true))
	if e != nil || gone == nil {
		return
	}
	for _, key := range gone.Keys {
		for _, kind := range [...]KeyType{TempKey, MediaTempKey} {
			// An authsession that ignores what is excepted has dropped the
			// asker's key, too: its answer is the last that leaves.
			if l := w.findList(kind, key); l != nil {
				if l == a.s.list {
					w.flush(a.s)
				}
				w.dropList(l, EndDestroyed)
			}
		}
	}
}
