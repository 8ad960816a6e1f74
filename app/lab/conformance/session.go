package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// session is a wire session whose failures end the check.
type session struct {
	*wire.Session
	p    *probe
	kept []wire.Message // came while something else was awaited
}

func encode(e bin.Encoder) []byte {
	var b bin.Buffer
	if err := e.Encode(&b); err != nil {
		panic(err) // the suite's own requests are complete
	}
	return b.Buf
}

func decode(body []byte, d bin.Decoder) error { return d.Decode(&bin.Buffer{Buf: body}) }

// send sends a packet as it is, and nothing is asked back.
func (s *session) send(p wire.Plain) {
	_, err := s.Send(p, false)
	s.p.must("an open connection", err)
}

func (s *session) post(body []byte, content bool) int64 {
	id, err := s.Post(body, content)
	s.p.must("an open connection", err)
	return id
}

// call sends an API call and returns its id.
func (s *session) call(e bin.Encoder) int64 { return s.post(encode(e), true) }

// member numbers a message for a container.
func (s *session) member(body []byte, content bool) wire.Member {
	return wire.Member{ID: s.NextID(), Seq: s.NextSeq(content), Body: body}
}

// pack sends members in a container and returns its id.
func (s *session) pack(members ...wire.Member) int64 {
	return s.post(wire.Container(members...), false)
}

// reconnect drops the connection and serves the session on a new one.
func (s *session) reconnect() {
	_ = s.Conn.Close()
	s.Conn = s.p.dial()
}

// returned reconnects and awaits a message that has to come again (SESS-11).
// A server learns of the old connection's end in its own time, and until then
// the session has not lost it: so more than one connection is tried.
func (s *session) returned(want string, fits func(wire.Message) bool) wire.Message {
	s.kept = nil
	for i := range reconnects {
		_ = s.Conn.Close()
		s.p.wait(time.Duration(i) * silence / 2)
		s.Conn = s.p.dial()
		s.post(ping(2), false)
		limit := silence
		if i == reconnects-1 {
			limit = s.p.target.Patience
		}
		if m, ok := s.within(limit, fits); ok {
			return m
		}
	}
	s.p.fail(want+" again", "%s", s.describeKept())
	return wire.Message{}
}

// within returns the first message that fits, or false when none came in
// time. Others are kept.
func (s *session) within(limit time.Duration, fits func(wire.Message) bool) (wire.Message, bool) {
	for i, m := range s.kept {
		if fits(m) {
			s.kept = append(s.kept[:i:i], s.kept[i+1:]...)
			return m, true
		}
	}
	deadline := time.Now().Add(limit)
	if last, ok := s.p.ctx.Deadline(); ok && last.Before(deadline) {
		deadline = last
	}
	for {
		m, err := s.Next(deadline)
		switch {
		case errors.Is(err, wire.ErrTimeout):
			return wire.Message{}, false
		case err != nil:
			s.p.fail("an answer", "%v", err)
		case fits(m):
			return m, true
		}
		s.kept = append(s.kept, m)
	}
}

// await returns the first message that fits.
func (s *session) await(want string, fits func(wire.Message) bool) wire.Message {
	m, ok := s.within(s.p.target.Patience, fits)
	if !ok {
		s.p.fail(want, "%s", s.describeKept())
	}
	return m
}

func (s *session) describeKept() string {
	var names []string
	for _, m := range s.kept {
		if m.Type() != mt.NewSessionCreatedTypeID {
			names = append(names, describe(m))
		}
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names[:min(len(names), 5)], ", ")
}

// about tells whether a message speaks of the client's message id.
func about(m wire.Message, id int64) bool {
	switch m.Type() {
	case mt.RPCResultTypeID, mt.PongTypeID, mt.BadMsgNotificationTypeID, mt.BadServerSaltTypeID, mt.FutureSaltsTypeID, mt.MsgsStateInfoTypeID:
		return m.Long(0) == id
	case mt.MsgsAckTypeID:
		var ack mt.MsgsAck
		return decode(m.Body, &ack) == nil && slices.Contains(ack.MsgIDs, id)
	}
	return false
}

// answerTo awaits a constructor that speaks of id, and fails at once when a
// refusal of id comes instead.
func (s *session) answerTo(id int64, want string, constructor uint32) wire.Message {
	m := s.await(want, func(m wire.Message) bool {
		if !about(m, id) {
			return false
		}
		switch m.Type() {
		case constructor, mt.BadMsgNotificationTypeID, mt.BadServerSaltTypeID, mt.RPCResultTypeID:
			return true
		}
		return false
	})
	if m.Type() != constructor {
		s.p.fail(want, "%s", describe(m))
	}
	return m
}

// pong awaits the pong of a ping.
func (s *session) pong(id int64) wire.Message { return s.answerTo(id, "pong", mt.PongTypeID) }

// resultMessage awaits the rpc_result of a call.
func (s *session) resultMessage(id int64) wire.Message {
	return s.answerTo(id, "rpc_result", mt.RPCResultTypeID)
}

// outcome awaits the rpc_result of a call and returns what is in it.
func (s *session) outcome(id int64) []byte {
	body, _, err := wire.Inflate(s.resultMessage(id).Body[12:])
	s.p.must("a result that inflates", err)
	return body
}

// result awaits the result of a call, which must be no rpc_error.
func (s *session) result(id int64) []byte {
	body := s.outcome(id)
	if e, ok := asError(body); ok {
		s.p.fail("a result", "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
	}
	return body
}

// refusal awaits the rpc_error of a call.
func (s *session) refusal(id int64, want string) mt.RPCError {
	body := s.outcome(id)
	e, ok := asError(body)
	if !ok {
		s.p.fail(want, "%s", name(wire.Message{Body: body}.Type()))
	}
	return e
}

// refused awaits an rpc_error with a code and the beginning of a text.
func (s *session) refused(id int64, code int, text string) {
	want := fmt.Sprintf("rpc_error %d %s", code, text)
	if e := s.refusal(id, want); e.ErrorCode != code || !strings.HasPrefix(e.ErrorMessage, text) {
		s.p.fail(want, "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
	}
}

func asError(body []byte) (e mt.RPCError, ok bool) {
	return e, decode(body, &e) == nil
}

// bad awaits a bad_msg_notification of one of the codes.
func (s *session) bad(id int64, codes ...int) wire.Message {
	want := "bad_msg_notification " + strings.Trim(strings.ReplaceAll(fmt.Sprint(codes), " ", " or "), "[]")
	m := s.await(want, func(m wire.Message) bool { return about(m, id) && m.Type() != mt.MsgsAckTypeID })
	var n mt.BadMsgNotification
	s.p.check(decode(m.Body, &n) == nil && slices.Contains(codes, n.ErrorCode), want, "%s", describe(m))
	return m
}

// fence asks a ping and returns all that came until its pong.
func (s *session) fence() []wire.Message {
	s.pong(s.post(encode(&mt.PingRequest{PingID: 1}), false))
	return s.kept
}

// unanswered awaits a while and fails when a message speaks of id.
func (s *session) unanswered(id int64) {
	if m, ok := s.within(silence, func(m wire.Message) bool { return about(m, id) }); ok {
		s.p.fail("silence", "%s", describe(m))
	}
}

// shut awaits what befalls a packet that is none: a transport error, the
// connection's end or, where it fits, silence.
func (s *session) shut(silenceFits bool, code wire.TransportError) {
	want := code.Error() + " or the connection's end"
	deadline := time.Now().Add(s.p.target.Patience)
	if silenceFits {
		want, deadline = want+" or silence", time.Now().Add(silence)
	}
	for {
		m, err := s.Next(deadline)
		var got wire.TransportError
		switch {
		case err == nil && m.Type() == mt.NewSessionCreatedTypeID:
		case err == nil:
			s.p.fail(want, "%s", describe(m))
		case errors.Is(err, wire.ErrTimeout):
			s.p.check(silenceFits, want, "nothing")
			return
		case errors.As(err, &got):
			s.p.check(got == code, want, "%v", got)
			return
		default:
			return // closed
		}
	}
}
