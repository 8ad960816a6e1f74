package sess

import (
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

const (
	keptSalts = 4                 // of what authsession gives: last, current, and two ahead
	saltAhead = 600 * time.Second // with less than this of salts left, more are read
	saltSkew  = 60 * time.Second  // how early a future salt may be used
)

// saltsKnown reports whether packets of the list can be judged now. If not,
// the salts are on their way.
func (w *MainAuthWrapper) saltsKnown(l *SessionList) bool {
	now := w.now / 1e9
	last := int64(0)
	if n := len(l.salts); n > 0 {
		last = int64(l.salts[n-1].Until)
	}
	if last < now+int64(saltAhead/time.Second) && !l.asking && w.now >= l.retryAt {
		w.askSalts(l, nil)
	}
	// Once authsession has failed, packets do not wait for its next answer.
	return last > now || l.lenient || !l.asking
}

func (w *MainAuthWrapper) askSalts(l *SessionList, forSession *session) {
	l.asking = true
	w.ask(ask{kind: askSalts, list: l, s: forSession}, &GetSalts{AuthKeyID: l.authKeyID})
}

// onSalts takes salts in, or does without: a peer's fault never drops a packet
// and never logs anybody out (rules SALT-8 and ERR-15).
func (w *MainAuthWrapper) onSalts(l *SessionList, r *Salts) {
	l.asking = false
	if r == nil || len(r.Salts) == 0 {
		l.lenient = true
		l.retryAt = w.now + int64(w.cfg.SaltRetry)
	} else {
		l.lenient = false
		l.salts = w.nearSalts(r.Salts)
		if len(l.salts) == 0 || int64(l.salts[len(l.salts)-1].Until) < w.now/1e9+int64(saltAhead/time.Second) {
			l.retryAt = w.now + int64(w.cfg.SaltRetry) // it has no more for now
		}
	}
	held := l.held
	l.held, l.heldBytes = nil, 0
	for _, d := range held {
		if m, err := wire.ParsePacket(d.Payload); err == nil && *w.slot(l.keyType) == l {
			w.onPacket(l, d, m)
		}
	}
}

// nearSalts returns those of all that matter around now, ascending.
func (w *MainAuthWrapper) nearSalts(all []Salt) []Salt {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Salt) int { return int(a.Until) - int(b.Until) })
	now := w.now / 1e9
	first := 0
	for first < len(all) && int64(all[first].Until)+int64(w.cfg.SaltGrace/time.Second) <= now {
		first++
	}
	all = all[first:]
	current := 0
	for current < len(all) && int64(all[current].Until) <= now {
		current++
	}
	from := max(0, current-1)
	return slices.Clone(all[from:min(len(all), from+keptSalts)])
}

// hold keeps a packet until the salts are there; one always fits.
func (w *MainAuthWrapper) hold(l *SessionList, d *Data) {
	if len(l.held) >= w.cfg.HeldPackets || len(l.held) > 0 && int(l.heldBytes)+len(d.Payload) > w.cfg.HeldBytes {
		w.refusePacket(d, CountHeldDropped)
		return
	}
	l.held = append(l.held, d)
	l.heldBytes += int32(len(d.Payload)) //nolint:gosec // bounded by HeldBytes or one packet
}

func (w *MainAuthWrapper) dropHeldPackets(l *SessionList) {
	for _, d := range l.held {
		w.refusePacket(d, CountHeldDropped)
	}
	l.held, l.heldBytes = nil, 0
}

// saltGood judges the salt of a packet: the current one, the last one for its
// grace, or one of a client whose clock is a little ahead (rule SALT-1).
// Without salts the client's own is as good as any.
func (w *MainAuthWrapper) saltGood(l *SessionList, salt int64) bool {
	now := w.now / 1e9
	known := false
	for _, k := range l.salts {
		if int64(k.Until)+int64(w.cfg.SaltGrace/time.Second) <= now {
			continue
		}
		known = known || int64(k.Until) > now
		if k.Salt == salt && int64(k.Since) <= now+int64(saltSkew/time.Second) {
			return true
		}
	}
	if known {
		return false
	}
	l.lent = salt
	w.count(CountLenientSalt)
	return true
}

// salt is the one for packets to the client: the current one (rule SALT-7).
func (w *MainAuthWrapper) salt(l *SessionList) int64 {
	now := w.now / 1e9
	for _, k := range l.salts {
		if int64(k.Since) <= now && int64(k.Until) > now {
			return k.Salt
		}
	}
	if l.lent != 0 || len(l.salts) == 0 {
		return l.lent
	}
	// None is current: the nearest one, which the client may still use.
	best := l.salts[0]
	for _, k := range l.salts {
		if int64(k.Since) <= now {
			best = k
		}
	}
	return best.Salt
}

// onGetFutureSalts answers get_future_salts from a fresh list, since only a
// few salts are kept (rules SALT-4 to SALT-6).
func (w *MainAuthWrapper) onGetFutureSalts(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	num := r.Int()
	if !r.Done() {
		w.undecodable(s, m.ID, "INPUT_FETCH_ERROR")
		return
	}
	a := ask{kind: askFutureSalts, list: s.list, s: s, msgID: m.ID, n: num}
	for i := range w.asks {
		if w.asks[i].kind == askFutureSalts && w.asks[i].s == s {
			w.onFutureSalts(a, nil) // one read at a time
			return
		}
	}
	w.ask(a, &GetSalts{AuthKeyID: s.list.authKeyID})
}

// onFutureSalts completes get_future_salts (rules SALT-5 and SALT-6).
func (w *MainAuthWrapper) onFutureSalts(a ask, r *Salts) {
	salts := []Salt(nil)
	switch {
	case a.s.list == nil:
		return
	case r != nil && len(r.Salts) > 0:
		salts = r.Salts
		a.list.salts, a.list.lenient = w.nearSalts(salts), false
	default:
		salts = a.list.salts
	}
	now := w.now / 1e9
	n := int(min(max(a.n, 1), 64))
	valid := make([]Salt, 0, n)
	for _, k := range salts {
		if int64(k.Until) > now && len(valid) < n {
			valid = append(valid, k)
		}
	}
	body := wire.AppendFutureSalts(make([]byte, 0, 20+16*len(valid)), a.msgID, int32(now), len(valid)) //nolint:gosec // until 2038, as the schema
	for _, k := range valid {
		body = wire.AppendFutureSalt(body, k.Since, k.Until, k.Salt)
	}
	a.s.unack(a.msgID)
	w.reply(a.s, body)
}
