package server

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// SessionSendHttpDataToSession takes a packet that came over HTTP and waits
// for one to answer it with; an empty payload is none.
func (s *Server) SessionSendHttpDataToSession(ctx context.Context, in *session.TLSessionSendHttpDataToSession) (*session.HttpSessionData, error) {
	d := in.GetClient()
	if d == nil {
		return nil, errInput
	}
	bounded, cancel := s.bounded(ctx, session.RPCSession_SessionSendHttpDataToSession_FullMethodName)
	defer cancel()
	slot, answer := s.svc.Runloop.Slots.Open()
	defer s.svc.Runloop.Slots.Close(slot)

	type outcome struct {
		key   int64
		owner string
		err   error
	}
	posted := make(chan outcome, 1)
	deadline, _ := bounded.Deadline()
	s.TakeHTTP(bounded, d, slot, deadline, func(key int64, owner string, err error) { posted <- outcome{key, owner, err} })
	select {
	case o := <-posted:
		switch {
		case o.err != nil:
			return nil, o.err
		case o.owner != "":
			return s.sendHTTPOn(bounded, o.owner, in)
		}
		return s.awaitHTTP(ctx, bounded, o.key, slot, answer), nil
	case <-bounded.Done():
		return httpData(nil), nil // not taken: the client repeats it
	}
}

// postHTTP gives a packet to the wrapper at p, which answers slot by until.
func (s *Server) postHTTP(p place, k keys.Key, d *session.SessionClientData, slot sess.Slot, until time.Time, at *sess.Trace) error {
	packet := data(d, k)
	packet.ServerID, packet.NewConn, packet.HTTP = "", false, slot
	packet.Trace = at
	packet.HTTPUntil = clock.Of(until)
	return s.svc.Runloop.Post(p.key, p.unbound, packet)
}

// awaitHTTP waits for the packet that answers a request. The wrapper answers
// at the deadline at the latest, and gets half of our margin to do so.
func (s *Server) awaitHTTP(caller, bounded context.Context, key int64, slot sess.Slot, answer <-chan []byte) *session.HttpSessionData {
	deadline, _ := bounded.Deadline()
	late := time.NewTimer(time.Until(deadline) + Margin/2)
	defer late.Stop()
	select {
	case payload := <-answer:
		return s.handOut(caller, key, slot, payload)
	case <-late.C:
	case <-caller.Done():
	}
	if s.svc.Runloop.Slots.Close(slot) {
		_, _ = s.svc.Runloop.Tell(key, &sess.HTTPGone{Slot: slot}) // a control input is never refused
		return httpData(nil)
	}
	return s.handOut(caller, key, slot, <-answer)
}

// handOut answers a request, and has the wrapper know when nobody reads the answer.
func (s *Server) handOut(caller context.Context, key int64, slot sess.Slot, payload []byte) *session.HttpSessionData {
	if caller.Err() != nil && len(payload) > 0 {
		_, _ = s.svc.Runloop.Tell(key, &sess.HTTPGone{Slot: slot, Lost: payload}) // a control input is never refused
	}
	return httpData(payload)
}

func (s *Server) sendHTTPOn(ctx context.Context, owner string, in *session.TLSessionSendHttpDataToSession) (*session.HttpSessionData, error) {
	node, err := s.node(owner)
	if err != nil {
		return nil, err
	}
	out, err := node.SessionSendHttpDataToSession(cluster.SendForwarded(ctx), in)
	if err != nil {
		return nil, passOn(err)
	}
	return out, nil
}

func httpData(payload []byte) *session.HttpSessionData {
	return &session.HttpSessionData{
		PredicateName: "httpSessionData",
		Constructor:   session.TLConstructor_CRC32_httpSessionData,
		Payload:       payload,
	}
}
