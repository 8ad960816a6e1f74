package server

import (
	"context"
	"errors"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// connNew is the conn_type of the first packet of a session at a gateway.
const connNew = 1

// SessionSendDataToSession takes a packet of a client.
func (s *Server) SessionSendDataToSession(ctx context.Context, in *session.TLSessionSendDataToSession) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionSendDataToSession_FullMethodName, func(done func(error)) {
		s.sendData(in, s.svc.Cluster.Hop(ctx, cluster.Redirectable), s.traceOf(ctx), done)
	})
}

// wait runs a handler that calls done with its outcome, mostly before it returns. It
// answers before the caller's deadline (bounded) even if done has not been called then.
func (s *Server) wait(ctx context.Context, method string, handler func(done func(error))) (*mtproto.Bool, error) {
	result := make(chan error, 1)
	handler(func(err error) { result <- err })
	var err error
	select {
	case err = <-result:
	default:
		bounded, cancel := s.bounded(ctx, method)
		defer cancel()
		select {
		case err = <-result:
		case <-bounded.Done():
			err = errInternal // the packet is still queued: the wrapper may get it after this answer
		}
	}
	if err != nil {
		return nil, err
	}
	return boolTrue, nil
}

// traceOf is where a request stands in a trace; nil: in none, or nobody collects spans.
func (s *Server) traceOf(ctx context.Context) *sess.Trace {
	if !s.svc.Config.Middlewares.Trace {
		return nil
	}
	return tracing.Of(ctx)
}

// sendData brings a packet to its wrapper. done is called once, here or when
// the key is resolved, with a status.
func (s *Server) sendData(in *session.TLSessionSendDataToSession, hop cluster.Hop, at *sess.Trace, done func(error)) {
	d := in.GetData()
	if d == nil {
		done(errInput)
		return
	}
	if k, known := s.svc.Keys.Known(d.GetAuthKeyId(), claim(d)); known { // as nearly always
		s.deliver(in, k, hop, at, done)
		return
	}
	refused := func(err error) {
		if errors.Is(err, errUnregistered) {
			s.dead(d)
		}
		done(err)
	}
	s.resolve(d.GetAuthKeyId(), claim(d), refused, func(k keys.Key) { s.deliver(in, k, hop, at, done) })
}

// deliver is sendData when the key is resolved.
func (s *Server) deliver(in *session.TLSessionSendDataToSession, k keys.Key, hop cluster.Hop, at *sess.Trace, done func(error)) {
	d := in.GetData()
	p := s.locate(d.GetAuthKeyId(), k, d.GetPermAuthKeyId(), hop)
	switch {
	case p.owner != "" && hop != cluster.Direct:
		done(redirect(p.owner))
	case p.owner != "":
		s.sendOn(p, len(d.GetPayload()), done, packet(in))
	default:
		taken := data(d, k)
		taken.Trace = at
		if err := s.svc.Runloop.Post(p.key, p.unbound, taken); err != nil {
			s.end(err, p, len(d.GetPayload()), hop, done, packet(in))
			return
		}
		done(nil) // apart from end: nearly every packet comes here
	}
}

// packet brings a packet to another node.
func packet(in *session.TLSessionSendDataToSession) cluster.Call {
	return func(ctx context.Context, node session.RPCSessionClient) error {
		_, err := node.SessionSendDataToSession(ctx, in)
		return err
	}
}

// claim is what a packet says of its key.
func claim(d *session.SessionClientData) keys.Claim {
	return keys.Claim{Perm: d.GetPermAuthKeyId(), Type: d.GetKeyType(), Size: len(d.GetPayload())}
}

// dead tells the client of a temp key that has expired or was dropped, where
// its gateway still has the key and so keeps silent: its calls are refused
// with 401 AUTH_KEY_PERM_EMPTY, upon which clients make and bind another one
// (rule PFS-19; core.telegram.org/api/pfs). Any other 401 would log them out.
func (s *Server) dead(d *session.SessionClientData) {
	kind := sess.KeyType(d.GetKeyType())
	if kind != sess.TempKey && kind != sess.MediaTempKey {
		return
	}
	// Where it does not fit it is lost, as everything else that the key sends.
	_ = s.svc.Runloop.PostDead(d.GetAuthKeyId(), data(d, keys.Key{Type: kind}))
}

// resolve finds out what a transport key is and goes on with that, or ends
// with done.
func (s *Server) resolve(authKeyID int64, claim keys.Claim, done func(error), next func(keys.Key)) {
	err := s.svc.Keys.Resolve(authKeyID, claim, func(k keys.Key, err error) {
		if err != nil {
			done(asStatus(err))
			return
		}
		next(k)
	})
	if err != nil {
		done(asStatus(err))
	}
}

// sendOn makes a request of size bytes on another node, in the order of the
// key's requests.
func (s *Server) sendOn(p place, size int, done func(error), call cluster.Call) {
	metrics.Foreign.Inc("forwarded")
	s.svc.Cluster.SendOn(p.key, size, p.owner, func(err error) { done(passOn(err)) }, call)
}

// end answers a request that was served here, unless its key has just moved: then it
// is sent after the key. hop is how it came.
func (s *Server) end(err error, p place, size int, hop cluster.Hop, done func(error), call cluster.Call) {
	to, moved := movedTo(err)
	switch {
	case !moved:
		done(asStatus(err))
	case hop == cluster.Final: // it has come from there
		done(errInternal)
	default:
		if hop == cluster.Forwarded {
			call = call.Final()
		}
		p.owner = to
		s.sendOn(p, size, done, call)
	}
}

func data(d *session.SessionClientData, k keys.Key) *sess.Data {
	return &sess.Data{
		ServerID:   d.GetServerId(),
		AuthKeyID:  d.GetAuthKeyId(),
		KeyType:    k.Type,
		BoundUntil: k.Until,
		Unbound:    k.Unbound(),
		SessionID:  d.GetSessionId(),
		Salt:       d.GetSalt(),
		ClientIP:   d.GetClientIp(),
		NewConn:    d.GetConnType() == connNew,
		Payload:    d.GetPayload(),
	}
}
