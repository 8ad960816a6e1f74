package sess

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// authsession stores salts that follow each other, each with the half hour
// [Since, Until) in which it is the current one (PEERS.md, "Salts"). What a
// client is told and what it may use is one rule, with room on both sides for
// clocks that differ:
//
//	told      Since ............................ Until+SaltGrace
//	used  Since-saltEarly-saltSkew ............. Until+SaltGrace+saltSkew
//
// So neighbours overlap by SaltGrace (rule SALT-1). TDLib counts a salt as gone
// 60 s before its end and takes the next one only after its begin: were they
// told without overlap, it would be silent for the last minute of each. gotd
// takes the next one 300 s before its begin.
const (
	saltsAhead = 2                 // salts kept of those that are to come
	saltsKept  = 64                // and in all
	saltAhead  = 600 * time.Second // with less than this of salts left, more are read
	saltEarly  = 300 * time.Second // how early clients take the next salt
	saltSkew   = 60 * time.Second  // how far apart clocks of clients and of a cluster's nodes may be
)

// saltsKnown reports whether packets of the list can be judged now. If not,
// the salts are on their way.
func (w *MainAuthWrapper) saltsKnown(l *SessionList) bool {
	now := w.wall / 1e9
	last := int64(0)
	if n := len(l.salts); n > 0 {
		last = int64(l.salts[n-1].Until)
	}
	if last < now+int64(saltAhead/time.Second) && !l.asking && w.now >= l.retryAt {
		w.askSalts(l, nil)
	}
	// Once authsession has failed, packets do not wait for its next answer.
	return last > now || l.saltsUnavailable || !l.asking
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
		l.saltsUnavailable = true
		l.retryAt = w.now + int64(w.cfg.SaltRetry)
	} else {
		l.saltsUnavailable = false
		l.salts = w.nearSalts(r.Salts)
		if len(l.salts) == 0 || int64(l.salts[len(l.salts)-1].Until) < w.wall/1e9+int64(saltAhead/time.Second) {
			l.retryAt = w.now + int64(w.cfg.SaltRetry) // it has no more for now
		}
	}
	held := l.held
	l.held, l.heldBytes = nil, 0
	for _, d := range held {
		if m, ok := d.message(); ok && w.has(l) {
			w.onPacket(l, d, m)
		}
	}
}

// message is what a packet that was held says; of one that found no place without its
// body.
func (d *Data) message() (m wire.Message, ok bool) {
	if d.stub {
		r := wire.NewReader(d.Payload)
		m = wire.Message{ID: r.Long(), Seq: r.Int()}
		return m, r.OK()
	}
	m, err := wire.ParsePacket(d.Payload)
	return m, err == nil
}

// nearSalts returns those of all that matter around now, ascending.
func (w *MainAuthWrapper) nearSalts(all []Salt) []Salt {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Salt) int { return cmp.Compare(a.Until, b.Until) })
	first := 0
	for first < len(all) && w.saltOver(all[first]) {
		first++
	}
	current := first
	for current < len(all) && int64(all[current].Until) <= w.wall/1e9 {
		current++
	}
	end := min(len(all), current+1+saltsAhead)
	return slices.Clone(all[max(first, end-saltsKept):end])
}

// saltOver reports whether a salt may not be used any more.
func (w *MainAuthWrapper) saltOver(k Salt) bool {
	return w.toldUntil(k)+int64(saltSkew/time.Second) <= w.wall/1e9
}

// toldUntil is the end of a salt's time as clients are told, Unix seconds.
func (w *MainAuthWrapper) toldUntil(k Salt) int64 {
	return int64(k.Until) + int64(w.cfg.SaltGrace/time.Second)
}

// A packet that is not kept until the salts are there is answered as one with a wrong
// salt, which its client repeats. For that its id and seqno are kept, of so many.
const (
	heldStubs = 1024
	stubSize  = 12
)

// hold keeps a packet until the salts are there; one always fits. What all temp
// keys of a client hold counts together, however many it has.
func (w *MainAuthWrapper) hold(l *SessionList, d *Data) {
	held, bytes := 0, len(d.Payload)
	for other := range w.lists() {
		held, bytes = held+len(other.held), bytes+int(other.heldBytes)
	}
	if held >= w.cfg.HeldPackets || held > 0 && bytes > w.cfg.HeldBytes {
		w.count(CountHeldDropped)
		if held >= w.cfg.HeldPackets+heldStubs {
			if d.HTTP != 0 {
				w.releaseReader(d)
			}
			return
		}
		d.Payload, d.stub = slices.Clone(d.Payload[:stubSize]), true
	}
	l.held = append(l.held, d)
	l.heldBytes += int32(len(d.Payload))
}

func (w *MainAuthWrapper) dropHeldPackets(l *SessionList) {
	for _, d := range l.held {
		w.refusePacket(d, CountHeldDropped)
	}
	l.held, l.heldBytes = nil, 0
}

// current returns the salt of now. usable says that there is one to tell the
// client: the current one or, where the clocks of authsession and of this node
// differ so much that none is, the next one or else the last one.
func (w *MainAuthWrapper) current(l *SessionList) (k Salt, isCurrent, usable bool) {
	now := w.wall / 1e9
	for _, s := range l.salts {
		switch {
		case w.saltOver(s):
		case int64(s.Since) <= now && now < int64(s.Until):
			return s, true, true
		case !usable || int64(k.Until) <= now: // the last of the past ones, the first of those to come
			k, usable = s, true
		}
	}
	return k, false, usable
}

// saltGood judges the salt of a packet (rule SALT-1). Without usable salts the
// client's own is as good as any. The salt that a refusal would name is always
// good: else the client would be refused without end.
func (w *MainAuthWrapper) saltGood(l *SessionList, salt int64) bool {
	k, isCurrent, usable := w.current(l)
	if !usable {
		l.adoptedSalt = salt
		w.count(CountLenientSalt)
		return true
	}
	if k.Salt == salt {
		return true
	}
	from := w.wall/1e9 + int64((saltEarly+saltSkew)/time.Second)
	return slices.ContainsFunc(l.salts, func(s Salt) bool {
		// Where none is current, the times of all of them are in doubt.
		return s.Salt == salt && !w.saltOver(s) && (int64(s.Since) <= from || !isCurrent)
	})
}

// salt is the one for packets to the client (rule SALT-7), and the one that
// bad_server_salt names (rule SALT-3).
func (w *MainAuthWrapper) salt(l *SessionList) int64 {
	if k, _, usable := w.current(l); usable {
		return k.Salt
	}
	return l.adoptedSalt
}

// onGetFutureSalts answers get_future_salts from a fresh list, since only a
// few salts are kept (rules SALT-4 to SALT-6).
func (w *MainAuthWrapper) onGetFutureSalts(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	num := r.Int()
	if !r.Done() {
		w.undecodable(s, m.ID, errFetch)
		return
	}
	a := ask{kind: askFutureSalts, list: s.list, s: s, msgID: m.ID, n: num}
	reads := func(a ask) bool { return a.kind == askFutureSalts && a.s == s }
	if w.busy() || slices.ContainsFunc(w.asks, reads) { // one read at a time
		w.onFutureSalts(a, nil)
		return
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
		a.list.salts, a.list.saltsUnavailable = w.nearSalts(salts), false
	default:
		salts = a.list.salts
	}
	now := w.wall / 1e9
	n := int(min(max(a.n, 1), 64))
	valid := make([]Salt, 0, n)
	for _, k := range salts {
		if int64(k.Until) > now && len(valid) < n {
			k.Until = int32(min(w.toldUntil(k), math.MaxInt32))
			valid = append(valid, k)
		}
	}
	body := wire.AppendFutureSalts(make([]byte, 0, 20+16*len(valid)), a.msgID, int32(now), len(valid)) // until 2038, as the schema
	for _, k := range valid {
		body = wire.AppendFutureSalt(body, k.Since, k.Until, k.Salt)
	}
	a.s.unack(a.msgID)
	w.reply(a.s, body)
}
