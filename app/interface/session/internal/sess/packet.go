package sess

import (
	"cmp"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

// onData takes a packet in (rules SESS-1 and SESS-2).
func (w *MainAuthWrapper) onData(d *Data) {
	if d.SessionID == 0 { // rule SESS-2
		w.refusePacket(d, CountMalformed)
		return
	}
	m, err := wire.ParsePacket(d.Payload) // rule ENC-6
	if err != nil {
		w.refusePacket(d, CountMalformed)
		return
	}
	l := w.list(d.KeyType, d.AuthKeyID, d.BoundUntil)
	if l == nil {
		w.count(CountTempKeysRefused)
		w.out.Unplaced = append(w.out.Unplaced, d)
		return
	}
	if !w.saltsKnown(l) {
		w.hold(l, d)
		return
	}
	w.onPacket(l, d, m)
}

// refusePacket drops a packet that has no answer inside the protocol.
func (w *MainAuthWrapper) refusePacket(d *Data, why Counter) {
	w.count(why)
	if d.HTTP != 0 {
		w.out.Replies = append(w.out.Replies, Reply{Slot: d.HTTP})
	}
}

// incoming is what all messages of a packet have in common.
type incoming struct {
	d        *Data
	budget   int       // bytes that may still be inflated
	inflated int       // bytes that were
	fresh    bool      // a message was accepted
	asks     bool      // a message wants an answer, or an HTTP request to wait
	turn     bool      // it is read in WorkBytes
	admitted bool      // its address has something left (strangers.go)
	rooms    []*[]byte // where it was inflated
}

// recycle gives back the bytes of a packet and what it was inflated to.
func (in *incoming) recycle() {
	in.d.recycle()
	for _, room := range in.rooms {
		buffers.Pool.Put(room)
	}
	in.rooms = nil
}

// recycle gives the bytes of a packet back.
func (d *Data) recycle() {
	buffers.Recycle(d.Payload)
	d.Payload = nil
}

// takenAt is when a packet was taken, Unix seconds.
func (w *MainAuthWrapper) takenAt(d *Data) int64 { return cmp.Or(d.Taken, w.wall/1e9) }

// onPacket handles a packet: its salt, then its time, then what is in it (rules
// SALT-3, MSGID-3 and CONT-3). Of its bytes nothing is kept: what is needed later is copied.
func (w *MainAuthWrapper) onPacket(l *SessionList, d *Data, m wire.Message) {
	known := l.find(d.SessionID) != nil
	s := w.session(l, d.SessionID)
	if !w.overtaken(s, d, m.ID) {
		w.connect(s, d.ServerID, d.ClientIP, d.NewConn)
	}
	if !known && !d.NewConn && d.ServerID != "" { // its gateway knows it, so a node did
		s.looks = judged
		w.resume(s)
	}
	if d.HTTP != 0 {
		w.openSlot(s, d.HTTP, d.HTTPUntil)
	}
	s.touch()
	if good := w.saltGood(l, d.Salt); !good || d.stub { // before the time: rule BAD-4
		w.count(CountBadSalt)
		switch known := s.window.find(m.ID) != nil; {
		case d.stub && known: // a copy of one that was kept (rule BAD-2)
		case good: // nothing is wrong with it
			w.reply(s, wire.AppendBadSalt(nil, m.ID, m.Seq, d.Salt))
		case d.stub || w.tells(s):
			w.reply(s, wire.AppendBadSalt(nil, m.ID, m.Seq, w.salt(l)))
		}
		d.recycle()
		return
	}
	if w.login.state == StateUnknown && w.now-w.login.readAt >= int64(w.cfg.StateRefresh) {
		w.loadState() // a call will need it
	}
	in := &incoming{d: d, budget: w.gunzipBytes()}
	defer w.leaveTurn(in)
	if id, _ := wire.PeekID(m.Body); id == wire.IDMsgContainer {
		w.onContainer(s, in, m)
	} else {
		w.onMessage(s, in, m, true)
	}
	if d.HTTP != 0 && !in.asks {
		s.answerNewest(w.now)
	}
	if in.fresh {
		s.refused = 0
		w.greet(s)
		w.judge(s)
		s.window.trim(w.cfg.Window, idAt(w.wall-int64(w.cfg.MaxPast)))
	}
	in.recycle()
}

// greetDelay is how long a session that has begun before waits for what was sent
// before its first packet: gateways that call for each packet let one overtake
// another.
const greetDelay = 250 * time.Millisecond

// greet announces a new session, once: with the lowest id that it knows, so that
// the client repeats what it sent before (rules SESS-5 and SESS-6). TDLib and mtcute
// repeat it under new ids, also calls that were acknowledged. So a message of this
// session that is still on its way must not lie below that id, or its call is made
// twice: unless the seqno of the lowest says that it is the first of all, the
// greeting waits a moment for lower ones.
//
// A lower id that comes later still is served itself, without a second announcement.
// Refused it must not be: Telegram Desktop and gotd repeat what is unanswered under
// its old id.
func (w *MainAuthWrapper) greet(s *session) {
	if s.greeted {
		s.greetAt = 0
		return
	}
	if r := s.window.find(s.first); r != nil && r.seq > 1 {
		if s.greetAt == 0 {
			s.greetAt = w.now + int64(greetDelay)
		}
		if w.now < s.greetAt {
			return
		}
	}
	s.greeted, s.greetAt = true, 0
	w.enqueue(s, outMsg{
		kind: outGreeting,
		body: wire.AppendNewSession(nil, s.first, w.random(), w.salt(s.list)),
	})
}

// random is 64 random bits.
func (w *MainAuthWrapper) random() int64 {
	var b [8]byte
	if _, err := w.rnd.Read(b[:]); err != nil {
		w.fault("random source", nil, err)
		return w.now
	}
	r := wire.NewReader(b[:])
	return r.Long()
}

// onContainer handles msg_container: its frame as a whole (rule CONT-5), its
// members each by itself.
func (w *MainAuthWrapper) onContainer(s *session, in *incoming, m wire.Message) {
	known := s.window.find(m.ID)
	switch {
	case m.ID&3 != 0:
		w.bad(s, m, wire.BadParity)
		return
	case known != nil && known.flags&recvContainer == 0: // rule CONT-6
		w.bad(s, m, wire.BadContainerID)
		return
	case known == nil:
		if code := w.badTime(s, m.ID); code != 0 {
			w.bad(s, m, code)
			return
		}
	}
	first := len(w.out.members)
	members, err := wire.Members(w.out.members, m.Body, w.cfg.ContainerIn)
	w.out.members = members
	members = members[first:]
	for i := range members {
		id, _ := wire.PeekID(members[i].Body)
		if members[i].ID >= m.ID || members[i].Seq > m.Seq || id == wire.IDMsgContainer { // rules CONT-3, CONT-4, SEQ-5
			err = wire.ErrContainer
		}
	}
	if err != nil {
		w.bad(s, m, wire.BadContainer)
		return
	}
	for i := range members {
		w.onMessage(s, in, members[i], false)
	}
	if known == nil {
		w.record(s, in, m, stateReceived|stateNoAck, recvContainer)
	}
}

// badTime judges the id of an unknown message by its time (rule MSGID-3). Where
// the session's time differs from the clock's both are right: a client that was
// told the one and judged by the other would be refused again and again.
func (w *MainAuthWrapper) badTime(s *session, id int64) wire.BadMsg {
	switch at := timeOf(id); {
	case at < w.wall-int64(w.cfg.MaxPast):
		return wire.BadTooLow
	case at > s.time(w.now, w.wall)+int64(w.cfg.MaxFuture):
		return wire.BadTooHigh
	}
	return 0
}

// bad tells the client that a message was ignored (rule BAD-1).
func (w *MainAuthWrapper) bad(s *session, m wire.Message, code wire.BadMsg) {
	switch code {
	case wire.BadTooLow:
		w.count(CountBadTooLow)
	case wire.BadTooHigh:
		w.count(CountBadTooHigh)
	case wire.BadParity:
		w.count(CountBadParity)
	case wire.BadContainerID:
		w.count(CountBadContainerID)
	case wire.BadTooOld:
		w.count(CountBadTooOld)
	case wire.BadContainer:
		w.count(CountBadContainer)
	default:
		w.count(CountBadSeqno)
	}
	if w.tells(s) {
		w.reply(s, wire.AppendBadMsg(nil, m.ID, m.Seq, code))
	}
}

// tells reports whether a client is told that a message was refused. It is, but
// for one that has repeated itself many times without a single good message in
// between: a client that corrects its clock by the wrong sign does so at once after
// each notification, without end. It is told once a second. Whoever mends what was
// wrong sends a good message next, and is told of everything again.
func (w *MainAuthWrapper) tells(s *session) bool {
	const (
		patience = 64 // as many messages may be on their way with one wrong clock
		pause    = time.Second
	)
	if s.refused++; s.refused > patience && w.now-s.toldAt < int64(pause) {
		s.refused = patience + 1
		w.count(CountSilenced)
		return false
	}
	s.toldAt = w.now
	return true
}
