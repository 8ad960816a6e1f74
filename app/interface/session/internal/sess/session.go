package sess

import "slices"

// SessionList is the sessions of one transport key (rule SESS-1). Ids are few,
// so they are searched, not hashed.
type SessionList struct {
	authKeyID   int64
	sessions    []*session
	salts       []Salt // ascending; empty: none known
	held        []*Data
	usedAt      int64 // when its last packet came
	adoptedSalt int64 // salt of the client, in force while none is known
	retryAt     int64 // before it salts are not asked for again
	heldBytes   int32
	// boundUntil is when the temp key's binding ends, Unix seconds; 0: not
	// known. A client binds all its keys for the same time, so the later one
	// is the newer one.
	boundUntil       uint32
	keyType          KeyType
	asking           bool // salts are being read
	saltsUnavailable bool // authsession could not give salts
}

// session is one MTProto session.
type session struct {
	id     int64
	list   *SessionList // nil once the session is dropped
	server string       // gateway that leads to the client; empty: none
	ip     string
	// lastServer is the gateway before the connection ended; empty: it has not.
	lastServer string
	http       *httpState // set once the session came over HTTP

	window window
	queue  []outMsg // not sent yet
	sent   []outMsg // content-related, sent, not acknowledged; ascending by id
	acks   []int64  // messages to acknowledge
	bytes  int      // of queue and sent

	lastID   int64 // last message id given out
	lead     int64 // while leads: message ids are by the time that everything waits by and this, ns
	connAt   int64 // when its TCP connection was new
	closeDue int64 // until then word may come that the connection before this one is closed; 0: it has come
	first    int64 // lowest id accepted before the greeting is out
	greetAt  int64 // when the greeting leaves, if it waits for what came before; 0: it does not
	until    int64 // what has been received is remembered until then at least: MaxPast from the last new message on
	lastSeen int64 // last packet; of an offline session, when it went offline
	pingAt   int64 // when the last ping_delay_disconnect came
	ackAt    int64 // acks leave alone then; 0: none
	resendAt int64 // something in sent is due then; 0: nothing
	toldAt   int64 // when the client was last told that a message was refused

	content   int32 // content-related messages sent (rule SEQ-1)
	layer     int32 // 0: the key's
	pingDelay int32 // seconds of ping_delay_disconnect; 0: none
	refused   int32 // messages since the last good one

	updates subscription

	looks      uint8     // packets by which it was judged whether it lived before
	offlineFor EndReason // why it went offline; it ends for that
	online     bool
	greeted    bool // new_session_created was queued
	leads      bool // the session's time is ahead of the machine's clock, which was set back
	ended      bool // its login was ended elsewhere
	doomed     bool // its login is said to have ended, and has not been read here yet: answers and updates wait for the read
	again      bool // what was sent on earlier connections is to be repeated when that may be
	throttled  bool // repetitions wait until that may be
	dirty      bool // flush looks at it at the end of the step
}

func (l *SessionList) find(id int64) *session {
	for _, s := range l.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (l *SessionList) remove(s *session) {
	if i := slices.Index(l.sessions, s); i >= 0 {
		l.sessions = slices.Delete(l.sessions, i, i+1)
	}
	s.list = nil
}

// media reports whether sessions of the list never take updates (rule UPD-8).
func (l *SessionList) media() bool { return l.keyType == MediaTempKey }

// Which side a message id says it came from (rule MSGID-2).
const (
	idAnswer = 1
	idNotice = 3
)

// time is what the session's ids say the time is, Unix nanoseconds: what the node's
// clock says, unless that was set back while the session was in use. Ids have to grow,
// so the session goes on from its last one then, as evenly as time does and however
// often the clock is set, until the clock is past it. Clients set their clocks by it
// (rule BAD-3).
func (s *session) time(now, wall int64) int64 {
	if idAt(wall) > s.lastID {
		s.leads = false
		return wall
	}
	if lead := timeOf(s.lastID) - now; !s.leads || lead > s.lead {
		s.leads, s.lead = true, lead
	}
	return now + s.lead
}

// nextID gives out a message id: the time, raised where needed to grow.
func (s *session) nextID(now, wall, kind int64) int64 {
	id := idAt(s.time(now, wall))
	if id <= s.lastID {
		id = s.lastID&^3 + 4
	}
	id |= kind
	s.lastID = id
	return id
}

// nextSeq gives out a seqno (rules SEQ-1 and SEQ-6).
func (s *session) nextSeq(content bool) int32 {
	if !content {
		return 2 * s.content
	}
	s.content++
	return 2*s.content - 1
}

// maxAcks bounds the acknowledgments that wait for a way to the client. A packet
// may call for two thousand.
const maxAcks = 4096

// ack notes a message to acknowledge. What finds no room is acknowledged when
// it comes again.
func (s *session) ack(id, now int64, delay int64) {
	if len(s.acks) >= maxAcks || slices.Contains(s.acks, id) {
		return
	}
	s.acks = append(s.acks, id)
	switch {
	case len(s.acks) >= maxAcks/4: // company enough
		s.ackAt = now
		s.touch()
	case s.ackAt == 0:
		s.ackAt = now + delay
	}
}

// unack forgets an acknowledgment that another answer makes needless (rules
// ACK-3 and ACK-6).
func (s *session) unack(id int64) {
	if i := slices.Index(s.acks, id); i >= 0 {
		s.acks = slices.Delete(s.acks, i, i+1)
	}
	if len(s.acks) == 0 {
		s.acks, s.ackAt = nil, 0
	}
}

// reachable reports whether something can be sent now or later without a
// word of the client: over TCP a gateway is known.
func (s *session) reachable() bool { return s.server != "" || s.http != nil && len(s.http.slots) > 0 }
