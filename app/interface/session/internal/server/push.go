package server

import (
	"context"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// The pushes come from sync. A key that is in no node's memory has no connection
// to push to: its client asks for what it missed when it comes back. A key that moves
// may be in none that was asked, so updates for it wait (cluster.Parking), or the node
// notes that they were let go (cluster.Cluster.Lost).

// SessionPushUpdatesData brings updates for a key's user.
func (s *Server) SessionPushUpdatesData(ctx context.Context, in *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionPushUpdatesData_FullMethodName, func(done func(error)) {
		s.pushUpdates(in, s.svc.Cluster.Hop(ctx, cluster.Direct), done)
	})
}

// SessionPushSessionUpdatesData brings updates for one session.
func (s *Server) SessionPushSessionUpdatesData(ctx context.Context, in *session.TLSessionPushSessionUpdatesData) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionPushSessionUpdatesData_FullMethodName, func(done func(error)) {
		s.pushSessionUpdates(in, s.svc.Cluster.Hop(ctx, cluster.Direct), done)
	})
}

// SessionPushRpcResultData brings an answer that a BFF promised.
func (s *Server) SessionPushRpcResultData(ctx context.Context, in *session.TLSessionPushRpcResultData) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionPushRpcResultData_FullMethodName, func(done func(error)) {
		s.pushRPCResult(in, s.svc.Cluster.Hop(ctx, cluster.Direct), done)
	})
}

func (s *Server) pushUpdates(in *session.TLSessionPushUpdatesData, hop cluster.Hop, done func(error)) {
	s.push(in.GetPermAuthKeyId(), &sess.PushUpdates{Notification: in.GetNotification(), Updates: in.GetUpdates()}, hop, done)
}

func (s *Server) pushSessionUpdates(in *session.TLSessionPushSessionUpdatesData, hop cluster.Hop, done func(error)) {
	s.push(in.GetPermAuthKeyId(),
		&sess.PushSessionUpdates{AuthKeyID: in.GetAuthKeyId(), SessionID: in.GetSessionId(), Updates: in.GetUpdates()}, hop, done)
}

func (s *Server) pushRPCResult(in *session.TLSessionPushRpcResultData, hop cluster.Hop, done func(error)) {
	s.push(in.GetPermAuthKeyId(), &sess.PushRPCResult{
		AuthKeyID: in.GetAuthKeyId(), SessionID: in.GetSessionId(), ReqMsgID: in.GetClientReqMsgId(), RPCResult: in.GetRpcResultData(),
	}, hop, done)
}

func (s *Server) push(permAuthKeyID int64, in sess.Input, hop cluster.Hop, done func(error)) {
	if hop.Unmarked() {
		s.svc.Pushed(updates(in))
		if owner := s.ownerOf(permAuthKeyID); owner != "" {
			s.pushOn(permAuthKeyID, owner, in, hop, done)
			return
		}
	}
	known, err := s.svc.Runloop.Tell(permAuthKeyID, in)
	if !known && hop.MayWait() && s.svc.Runloop.Expect(permAuthKeyID) {
		known, err = s.svc.Runloop.Tell(permAuthKeyID, in)
	}
	switch {
	case known:
	case hop.MayWait():
		s.svc.Cluster.Park(permAuthKeyID, in)
	case hop == cluster.Final:
		s.svc.Cluster.Lost(permAuthKeyID, in)
	}
	to, moved := movedTo(err)
	switch {
	case !moved:
		done(asStatus(err))
	case hop == cluster.Final: // it has come from there; who sent it tries again
		done(errInternal)
	default:
		s.pushOn(permAuthKeyID, to, in, hop, done)
	}
}

// updates are the encoded updates that an input brings; nil: it brings none.
func updates(in sess.Input) []byte {
	switch in := in.(type) {
	case *sess.PushUpdates:
		return in.Updates
	case *sess.PushSessionUpdates:
		return in.Updates
	}
	return nil
}

// pushOn sends a push on to the node that has its key. One that does not answer may have been
// started again before etcd dropped it: gRPC, which found nobody there a moment ago, tries again
// within seconds. There may be no room on the way to it, or it may not have the key itself. sync
// would forget the push, and nobody would know that the client lacks it. So it goes to the
// key if that is here still, or else waits until nodes agree. It is passed on that the key
// has no room for it: then its node tells the client.
func (s *Server) pushOn(permAuthKeyID int64, to string, in sess.Input, hop cluster.Hop, done func(error)) {
	metrics.Foreign.Inc("forwarded")
	call, size := cluster.Request(permAuthKeyID, in)
	if hop == cluster.Forwarded {
		call = call.Final()
	}
	s.svc.Cluster.SendOn(permAuthKeyID, size, to, func(err error) {
		if err == nil || cluster.IsFull(err) {
			done(passOn(err))
			return
		}
		if known, err := s.svc.Runloop.Tell(permAuthKeyID, in); !known || err != nil {
			s.svc.Cluster.Homeless(permAuthKeyID, in)
		}
		done(nil)
	}, call)
}
