package svc

import (
	"crypto/rand"
	"io"
	"time"

	"github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/gateway"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// What is no configuration.
const (
	unboundFor    = time.Second     // that a temp key is taken for unbound
	keyPackets    = 256             // of one key, waiting for its resolution
	keyBytes      = 64 << 20        // of all keys
	ackTimeout    = 5 * time.Second // a gateway's stream whose answers are overdue this long is given up
	endedSessions = 10_000          // remembered for who watches (package inside)
	gatewayAnswer = 5 * time.Second // of a gateway's unary call, where GatewayClient has no Timeout
)

// Deps is what a node stands on: the way to its peers, and what is not the same in
// life and in a simulation. All else that a node is made of comes from its
// configuration, so that what is simulated is what runs.
type Deps struct {
	Auth   grpc.ClientConnInterface // authsession
	Routes dispatch.Routes          // BFFs
	// Node makes a connection to another session node, published as addr. It does
	// not wait.
	Node func(addr string) (cluster.Conn, error)
	// Gateway makes a connection to a gateway, GatewayAside the one for its large packets.
	// They do not wait. Send, where it is set, stands for all gateways: it gets the packets,
	// must not block, and reports those that reach no connection to SendFailed.
	Gateway, GatewayAside func(serverID string) (*grpc.ClientConn, error)
	Send                  func(authKeyID int64, p sess.Send)
	// Status is the status service. Notify, where it is set, stands for it: it gets
	// the reports, must not block, and tells what came of them to Announced.
	Status grpc.ClientConnInterface
	Notify func(r sess.Request)

	// Machine is put between a key's state machine and its actor; nil: nothing is. came
	// says that the key has come from another node with its past.
	Machine func(real *sess.MainAuthWrapper, key int64, unbound, came bool) runloop.Machine
	// Cluster is put between the cluster and the actors; nil: nothing is.
	Cluster func(real *cluster.Cluster) runloop.Cluster
	// Limits changes what machines keep to; nil: they keep to the configuration.
	Limits func(*sess.Config)
	// Breaker is that of a method; nil: go-zero's.
	Breaker func(path string) breaker.Breaker

	// Now is the time by which everything waits, Unix nanoseconds; it must not go
	// back. Wall is what the machine's clock says. nil: package clock, time.Now.
	Now, Wall func() int64
	// Spawn starts what runs beside its caller; nil: the node's workers.
	Spawn lane.Spawn
	// Later runs what is due in a while; nil: timers.
	Later cluster.Later
	// Sleep waits, in what was spawned; nil: by a timer.
	Sleep func(time.Duration)
	// Rand makes what nobody may guess; nil: crypto/rand.
	Rand io.Reader
}

func (d *Deps) setDefaults() {
	if d.Now == nil {
		d.Now = clock.Now
	}
	if d.Wall == nil {
		d.Wall = func() int64 { return time.Now().UnixNano() }
	}
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
	if d.Machine == nil {
		d.Machine = func(real *sess.MainAuthWrapper, _ int64, _, _ bool) runloop.Machine { return real }
	}
	if d.Cluster == nil {
		d.Cluster = func(real *cluster.Cluster) runloop.Cluster { return real }
	}
}

// Build makes the parts of a node. Nothing goes on by itself afterwards: Start
// turns the wheel (runloop.Manager.Advance), reports who uses logins
// (peers.Touches.Tell), looks after what status knows (Recheck) and follows the
// ring (cluster.Members.Update); a simulation does so in its own time.
func (s *ServiceContext) Build(d Deps) {
	d.setDefaults()
	if d.Spawn == nil {
		d.Spawn = s.workers.Go
	}
	c := &s.Config
	self := s.Cluster.Self()
	s.Auth = peers.NewAuthSession(d.Auth, self, c.Session.PeerTimeout)
	s.Keys = keys.New(keys.Options{
		Lookup:  s.Auth.Lookup,
		Timeout: c.Session.PeerTimeout,
		Now:     func() time.Time { return time.Unix(0, d.Wall()) },
		Clock:   d.Now,
		Spawn:   d.Spawn,
		Size:    c.Session.KeyCache,
		Fresh:   c.Session.KeyRefresh,
		Unbound: unboundFor,
		PerKey:  keyPackets,
		Bytes:   keyBytes,
		Lookups: c.Session.PeerCalls,
	})
	s.Auth.Keys = s.Keys
	s.dispatcher = dispatch.New(dispatch.Options{
		Schema:       s.Schema,
		Routes:       d.Routes,
		ServerID:     self,
		Timeout:      c.Session.CallTimeout,
		MediaTimeout: c.Session.MediaCallTimeout,
		ReplyBytes:   c.Session.ReplyBytes,
		FakeResults:  c.FakeResults,
		Breaker:      d.Breaker,
	})
	s.Touches = peers.NewTouches(s.Auth, peers.TouchOptions{
		Ended: func(perm, asked int64) {
			_, _ = s.Runloop.Tell(perm, &sess.Revoked{Asked: asked}) // a control input is never refused
		},
		Now:  d.Now,
		Wall: d.Wall,
	})
	cfg := c.Sess()
	cfg.SetDefaults()
	if d.Limits != nil {
		d.Limits(&cfg)
	}
	s.Runloop = runloop.New(runloop.Options{
		New: func(key int64, unbound bool) runloop.Machine {
			return d.Machine(sess.New(key, unbound, &cfg, s.Schema, d.Rand), key, unbound, false)
		},
		Import: func(key int64, st *session.KeyState) (runloop.Machine, error) {
			w, err := sess.Import(key, st, d.Now(), d.Wall(), &cfg, s.Schema, d.Rand)
			if err != nil {
				return nil, err
			}
			return d.Machine(w, key, false, true), nil
		},
		Send:         s.gateways(d),
		Notify:       s.notifier(d),
		Execute:      s.execute,
		Cluster:      d.Cluster(s.Cluster),
		Now:          d.Now,
		Wall:         d.Wall,
		Spawn:        d.Spawn,
		MailboxItems: c.Session.DataChannel,
		MailboxBytes: c.Session.DataChannelBytes,
		CallLimit:    c.Session.Calls,
		CallBytes:    c.Session.CallBytes,
		PeerLimit:    c.Session.PeerCalls,
		PeerQueue:    c.Session.PeerQueue,

		EndedSessions: endedSessions,
	})
	s.Cluster.Join(s.Runloop, cluster.Options{
		ReleaseAfter: c.Session.ReleaseAfter,
		PeerTimeout:  c.Session.PeerTimeout,
		App:          c.Nodes.App,
		Token:        c.Nodes.Token,
		Dial:         d.Node,
		Spawn:        d.Spawn,
		Later:        d.Later,
		Now:          d.Now,
		Sleep:        d.Sleep,
		Rand:         d.Rand,
	})
}

// gateways is where the packets of keys go.
func (s *ServiceContext) gateways(d Deps) func(authKeyID int64, p sess.Send) {
	if d.Send != nil {
		return d.Send
	}
	c := &s.Config
	s.Gateways = gateway.New(gateway.Options{
		Dial:       d.Gateway,
		DialAside:  d.GatewayAside,
		Failed:     s.SendFailed,
		Mode:       mode(c.UseStreamGateway),
		QueueItems: c.Session.GatewayQueue,
		QueueBytes: c.Session.GatewayBytes,
		Timeout:    gatewayTimeout(c.GatewayClient),
		Retry:      c.Session.GatewayRetry,
		AckTimeout: ackTimeout,
		Spawn:      d.Spawn,
	})
	return s.Gateways.Send
}

// notifier is what the reports of keys go through: to status, that somebody is
// online or is no more, which is a sign of life for authsession, too.
func (s *ServiceContext) notifier(d Deps) func(r sess.Request) {
	status := d.Notify
	if status == nil {
		s.Status = peers.NewStatus(d.Status, s.Cluster.Self(), s.Config.Session.PeerTimeout, d.Spawn)
		s.Status.Elsewhere = func(permAuthKeyID int64) bool { return !s.Cluster.Owns(permAuthKeyID) }
		s.Status.Announced = s.Announced
		status = s.Status.Notify
	}
	return func(r sess.Request) {
		if online, ok := r.(*sess.SetOnline); ok && s.Cluster.Owns(online.AuthKeyID) {
			s.Touches.Seen(online.AuthKeyID)
		}
		status(r)
	}
}

// execute makes the calls that keys ask for.
func (s *ServiceContext) execute(r sess.Request) (sess.Result, *sess.RPCError) {
	if call, ok := r.(*sess.InvokeMethod); ok {
		if !s.Cluster.MayGoOn() { // another node may have made it
			return nil, sess.ErrTimeout
		}
		result, rpcErr := s.dispatcher.Invoke(call)
		if rpcErr != nil {
			return nil, rpcErr
		}
		if !result.Pushed {
			s.release.Look(result.Method.Reply.Name(), result.PB)
		}
		return result, nil
	}
	return s.Auth.Execute(r)
}

// SendFailed tells a key that a packet did not reach a connection. It does not
// block.
func (s *ServiceContext) SendFailed(authKeyID int64, p sess.Send) {
	// A control input is never refused.
	_, _ = s.Runloop.Tell(authKeyID, &sess.SendFailed{ServerID: p.ServerID, AuthKeyID: p.AuthKeyID, SessionID: p.SessionID, SentAt: p.At})
}

// Announced tells a key what came of its report to status. It does not block.
func (s *ServiceContext) Announced(permAuthKeyID int64, outcome *sess.Announced) {
	_, _ = s.Runloop.Tell(permAuthKeyID, outcome) // a control input is never refused
}

func mode(useStream *bool) gateway.Mode {
	switch {
	case useStream == nil:
		return gateway.Auto
	case *useStream:
		return gateway.Stream
	}
	return gateway.Unary
}

func gatewayTimeout(c zrpc.RpcClientConf) time.Duration {
	if c.Timeout > 0 {
		return time.Duration(c.Timeout) * time.Millisecond
	}
	return gatewayAnswer
}
