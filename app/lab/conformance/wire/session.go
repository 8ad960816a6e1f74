package wire

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
)

// shortestResult is constructor, req_msg_id and the result's constructor.
const shortestResult = 4 + 8 + 4

// What clients accept of a server (MSGID-8).
const (
	oldestID = 300 * time.Second
	newestID = 30 * time.Second
)

// NoteError is a rule that a packet of the server broke.
type NoteError struct{ Rule, Text string }

// Error implements error.
func (n NoteError) Error() string { return n.Text + " (" + n.Rule + ")" }

// Session is one MTProto session on one connection at a time.
type Session struct {
	Conn  *Conn
	Key   *Key
	ID    int64
	Salt  int64 // of the packets it sends; the last good one it was given
	Notes []NoteError

	content int32
	lastID  int64
	inbox   []Message
	seen    map[int64]int32 // id and seqno of what the server sent
}

// NewSession opens a session with a random id. Nothing is sent.
func NewSession(c *Conn, k *Key) *Session {
	return &Session{Conn: c, Key: k, ID: RandomLong(), Salt: k.Salt, seen: map[int64]int32{}}
}

// RandomLong returns a random number.
func RandomLong() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]))
}

func idAt(t time.Time) int64 { return (t.Unix()<<32 | int64(t.Nanosecond())<<2) &^ 3 }

// Now is the server's time, as far as the key exchange told.
func (s *Session) Now() time.Time { return time.Now().Add(s.Key.Skew) }

// NextID makes a message id of the time of now.
func (s *Session) NextID() int64 {
	s.lastID = max(idAt(s.Now()), s.lastID+4)
	return s.lastID
}

// IDAt makes one of another time, and does not remember it.
func (s *Session) IDAt(d time.Duration) int64 { return idAt(s.Now().Add(d)) }

// NextSeq counts a message and returns its seqno (SEQ-1).
func (s *Session) NextSeq(content bool) int32 {
	n := s.content * 2
	if content {
		s.content++
		n++
	}
	return n
}

// Send seals a packet, fills what it leaves open, the salt and the session,
// and returns the token of its quick acknowledgement when one was asked for.
func (s *Session) Send(p Plain, quick bool) (token uint32, err error) {
	if p.Salt == 0 {
		p.Salt = s.Salt
	}
	if p.Session == 0 {
		p.Session = s.ID
	}
	packet, token, err := s.Key.Seal(p)
	if err != nil {
		return 0, err
	}
	return token, s.Conn.Write(packet, quick)
}

// Post sends one message with the next id and seqno, and returns its id.
func (s *Session) Post(body []byte, content bool) (int64, error) {
	id := s.NextID()
	_, err := s.Send(Plain{MsgID: id, Seq: s.NextSeq(content), Body: body}, false)
	return id, err
}

// Next returns the next message; its errors are those of Conn.Read.
func (s *Session) Next(deadline time.Time) (Message, error) {
	for len(s.inbox) == 0 {
		f, err := s.Conn.Read(deadline)
		if err != nil {
			return Message{}, err
		}
		if f.Packet == nil {
			continue // a quick acknowledgement that nobody waits for
		}
		if err := s.take(f.Packet); err != nil {
			return Message{}, err
		}
	}
	m := s.inbox[0]
	s.inbox = s.inbox[1:]
	return m, nil
}

// Received is how many messages the server has sent.
func (s *Session) Received() int { return len(s.seen) }

// Take opens a packet that was read past the session.
func (s *Session) Take(packet []byte) error { return s.take(packet) }

func (s *Session) note(rule, format string, args ...any) {
	s.Notes = append(s.Notes, NoteError{rule, fmt.Sprintf(format, args...)})
}

func (s *Session) take(packet []byte) error {
	p, err := s.Key.Open(packet)
	if err != nil {
		var n NoteError
		if errors.As(err, &n) {
			s.Notes = append(s.Notes, n)
		}
		return err
	}
	if p.Session != s.ID {
		s.note("SESS-3", "a packet of session %x came for session %x", p.Session, s.ID)
		return nil
	}
	return s.unpack(Message{ID: p.MsgID, Seq: p.Seq, Body: p.Body, Salt: p.Salt})
}

// unpack files a message, or what is in its container.
func (s *Session) unpack(m Message) error {
	if m.Type() != mt.MsgContainerTypeID {
		return s.file(m)
	}
	s.judge(m)
	if m.Container != 0 {
		s.note("CONT-4", "a container in a container")
	}
	b := bin.Buffer{Buf: m.Body[4:]}
	count, err := b.Int()
	if err != nil || count < 0 {
		return errors.New("container without a count")
	}
	if count > maxMembers {
		s.note("CONT-2", "a container of %d messages", count)
	}
	for range count {
		in := Message{Salt: m.Salt, Container: m.ID}
		if err := in.decode(&b); err != nil {
			return fmt.Errorf("container member: %w", err)
		}
		if in.ID >= m.ID {
			s.note("CONT-3", "member %x in container %x", in.ID, m.ID)
		}
		if in.Seq > m.Seq {
			s.note("SEQ-5", "seqno %d in a container of seqno %d", in.Seq, m.Seq)
		}
		if err := s.unpack(in); err != nil {
			return err
		}
	}
	return nil
}

// file judges a message, inflates it and queues it for Next.
func (s *Session) file(m Message) error {
	s.judge(m)
	body, packed, err := Inflate(m.Body)
	if err != nil {
		return err
	}
	m.Body, m.Packed = body, packed
	if m.Type() == mt.RPCResultTypeID && len(body) < shortestResult {
		return NoteError{"RPC-1", fmt.Sprintf("rpc_result of %d bytes", len(body))}
	}
	s.inbox = append(s.inbox, m)
	return nil
}

// judge checks the id and seqno of a message of the server (MSGID-2, SEQ-6).
func (s *Session) judge(m Message) {
	if m.ID&1 == 0 {
		s.note("MSGID-2", "the server sent id %x, which is a client's", m.ID)
	}
	if seq, again := s.seen[m.ID]; again {
		if seq != m.Seq {
			s.note("SEQ-6", "message %x came again with seqno %d in place of %d", m.ID, m.Seq, seq)
		}
		return
	}
	s.seen[m.ID] = m.Seq
	age := s.Now().Sub(time.Unix(m.ID>>32, 0))
	if m.Container == 0 && (age > oldestID || age < -newestID) {
		s.note("MSGID-8", "message id %x is %s old", m.ID, age.Round(time.Second))
	}
	if odd := m.Seq&1 == 1; odd && noAck(m.Type()) || !odd && content(m.Type()) {
		s.note("SEQ-6", "constructor %08x with seqno %d", m.Type(), m.Seq)
	}
}
