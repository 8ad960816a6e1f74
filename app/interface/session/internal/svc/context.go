// Package svc puts the parts of a session node together.
package svc

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/gateway"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// ServiceContext is a node: what its gRPC handlers work with.
type ServiceContext struct {
	Config  config.Config
	Schema  *tl.Schema
	Cluster *cluster.Cluster

	// Set by Start.
	Keys     *keys.Resolver
	Runloop  *runloop.Manager
	Gateways *gateway.Gateways
	Auth     *peers.AuthSession
	Status   *peers.Status

	touches    *peers.Touches
	dispatcher *dispatch.Dispatcher
	release    *releasecheck.Check
	gatewaySub *discovery.Subscription
	resolvers  []*discovery.Resolver
	conns      []*grpc.ClientConn
	rechecked  recheck
	pushed     lastPush
	stop       context.CancelFunc
	busy       sync.WaitGroup
}

// New prepares a node: it loads the schema and calls nobody.
func New(c config.Config) (*ServiceContext, error) {
	c.SetDefaults()
	load := tl.Load
	if !slices.Contains(tl.Releases(), c.Schema) {
		load = tl.Open
	}
	schema, err := load(c.Schema)
	if err != nil {
		return nil, &conf.KeyError{Key: "Schema", Problem: fmt.Sprintf("%q cannot be loaded (%v)", c.Schema, err),
			Fix: "name a shipped release (" + strings.Join(tl.Releases(), ", ") + ") or the path of a table set that lab tlgen has made"}
	}
	release, err := releasecheck.New(schema, c.Schema)
	if err != nil {
		return nil, err
	}
	return &ServiceContext{
		Config:  c,
		Schema:  schema,
		release: release,
		Cluster: cluster.New(rpcserver.PublishedAddress(c.ListenOn)),
	}, nil
}

// Start connects the node to its peers: it returns once etcd has answered.
// The peers themselves need not be there yet.
func (s *ServiceContext) Start(ctx context.Context) error {
	c := &s.Config
	auth, err := s.dial(ctx, "AuthSession", c.AuthSession)
	if err != nil {
		return err
	}
	stat, err := s.dial(ctx, "StatusClient", c.StatusClient)
	if err != nil {
		return err
	}
	routes, err := s.routes(ctx)
	if err != nil {
		return err
	}
	s.build(auth, stat, routes)
	if err := s.follow(ctx); err != nil {
		return err
	}
	logx.Infof("%s at %s: schema %s (%s), layers %d to %d; %d groups routed: %s", c.Name, s.Cluster.Self(),
		s.Schema.Name(), s.Schema.Hash(), s.Schema.MinLayer(), s.Schema.MaxLayer(), len(routes), strings.Join(routes.Groups(), " "))
	return nil
}

func (s *ServiceContext) build(auth, stat *grpc.ClientConn, routes dispatch.Routes) {
	c := &s.Config
	self := s.Cluster.Self()
	s.Auth = peers.NewAuthSession(auth, self, c.Session.PeerTimeout)
	s.Status = peers.NewStatus(stat, self, c.Session.PeerTimeout)
	s.Status.Elsewhere = func(permAuthKeyID int64) bool { return !s.Cluster.Owns(permAuthKeyID) }
	s.Status.Announced = func(permAuthKeyID int64, outcome *sess.Announced) {
		_, _ = s.Runloop.Tell(permAuthKeyID, outcome) // a control input is never refused
	}
	s.Keys = keys.New(keys.Options{
		Lookup:  s.Auth.Lookup,
		Timeout: c.Session.PeerTimeout,
		Size:    c.Session.KeyCache,
		Fresh:   c.Session.KeyRefresh,
		Unbound: time.Second,
		PerKey:  256,
		Bytes:   64 << 20,
		Lookups: c.Session.PeerCalls,
	})
	s.Auth.Keys = s.Keys
	s.dispatcher = dispatch.New(dispatch.Options{
		Schema: s.Schema, Routes: routes, ServerID: self,
		Timeout: c.Session.CallTimeout, MediaTimeout: c.Session.MediaCallTimeout, ReplyBytes: c.Session.ReplyBytes, FakeResults: c.FakeResults,
	})
	s.Gateways = gateway.New(gateway.Options{
		Dial:       func(id string) (*grpc.ClientConn, error) { return dialTo(c.GatewayClient, id) },
		Failed:     s.sendFailed,
		Mode:       mode(c.UseStreamGateway),
		QueueItems: c.Session.GatewayQueue,
		QueueBytes: c.Session.GatewayBytes,
		Timeout:    gatewayTimeout(c.GatewayClient),
		Retry:      c.Session.GatewayRetry,
		AckTimeout: 5 * time.Second,
	})
	cfg := c.Sess()
	cfg.SetDefaults()
	s.Runloop = runloop.New(runloop.Options{
		New: func(key int64, unbound bool) runloop.Machine {
			return sess.New(key, unbound, &cfg, s.Schema, rand.Reader)
		},
		Import: func(key int64, st *session.KeyState) (runloop.Machine, error) {
			return sess.Import(key, st, clock.Now(), time.Now().UnixNano(), &cfg, s.Schema, rand.Reader)
		},
		Send:         s.Gateways.Send,
		Notify:       s.notify,
		Execute:      s.execute,
		Cluster:      s.Cluster,
		Now:          clock.Now,
		Wall:         func() int64 { return time.Now().UnixNano() },
		MailboxItems: c.Session.DataChannel,
		MailboxBytes: c.Session.DataChannelBytes,
		CallLimit:    c.Session.Calls,
		CallBytes:    c.Session.CallBytes,
		PeerLimit:    c.Session.PeerCalls,
	})
	s.touches = peers.NewTouches(s.Auth, func(perm, asked int64) {
		_, _ = s.Runloop.Tell(perm, &sess.Revoked{Asked: asked}) // a control input is never refused
	})
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.Runloop.Start(ctx)
	s.Cluster.Join(s.Runloop, cluster.Options{
		ReleaseAfter: c.Session.ReleaseAfter,
		PeerTimeout:  c.Session.PeerTimeout,
		App:          c.Nodes.App,
		Token:        c.Nodes.Token,
		Dial: func(addr string) (cluster.Conn, error) {
			return dialTo(zrpc.RpcClientConf{App: c.Nodes.App, Token: c.Nodes.Token, Middlewares: c.AuthSession.Middlewares}, addr)
		},
	})
	s.busy.Add(2)
	go s.measure(ctx)
	go s.lookAfter(ctx)
}

// execute makes the calls that keys ask for.
func (s *ServiceContext) execute(r sess.Request) (sess.Result, *sess.RPCError) {
	if call, ok := r.(*sess.InvokeMethod); ok {
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

// notify tells status who is online, which is a sign of life for authsession,
// too.
func (s *ServiceContext) notify(r sess.Request) {
	if online, ok := r.(*sess.SetOnline); ok && s.Cluster.Owns(online.AuthKeyID) {
		s.touches.Seen(online.AuthKeyID)
	}
	s.Status.Notify(r)
}

func (s *ServiceContext) sendFailed(authKeyID int64, p sess.Send) {
	// A control input is never refused.
	_, _ = s.Runloop.Tell(authKeyID, &sess.SendFailed{ServerID: p.ServerID, AuthKeyID: p.AuthKeyID, SessionID: p.SessionID})
}

// follow subscribes to the session nodes and the gateways.
func (s *ServiceContext) follow(ctx context.Context) error {
	c := &s.Config
	if len(c.Etcd.Hosts) > 0 && c.Etcd.Key != "" {
		if err := s.Cluster.Follow(ctx, c.Etcd, etcdPatience); err != nil {
			return err
		}
	} else {
		logx.Info("no Etcd in the configuration: this node owns every key")
	}
	if len(c.GatewayClient.Endpoints) > 0 {
		s.Gateways.Update(c.GatewayClient.Endpoints)
		return nil
	}
	if c.GatewayClient.Target != "" {
		return nil
	}
	sub, err := discovery.Subscribe(ctx, c.GatewayClient.Etcd, etcdPatience, s.Gateways.Update)
	if err != nil {
		return fmt.Errorf("GatewayClient: %w", err)
	}
	s.gatewaySub = sub
	return nil
}

// routes dials the BFFs and reads the IDMap.
func (s *ServiceContext) routes(ctx context.Context) (dispatch.Routes, error) {
	b := &s.Config.BFFProxyClients
	clients := map[string]grpc.ClientConnInterface{}
	for i := range b.Clients {
		name := s.Config.ClientName(&b.Clients[i])
		if clients[name] != nil {
			continue
		}
		if t := b.Clients[i].Timeout; t > 0 && t != goZeroClient {
			logx.Infof("BFFProxyClients.Clients: Timeout %d ms of %s has no effect: calls have the timeouts of their methods (Session.CallTimeout, Session.MediaCallTimeout)", t, name)
		}
		conn, err := s.dial(ctx, "BFFProxyClients.Clients", b.Clients[i])
		if err != nil {
			return nil, err
		}
		clients[name] = conn
	}
	routes, warnings := dispatch.NewRoutes(s.Schema.Groups(), b.IDMap, clients)
	rpcserver.Warn("session", s.Config.Log, warnings...)
	return routes, nil
}

// dial makes a client of a service. One that etcd is to find is found by our
// own resolver: go-zero's may wait for etcd without end, at the end, too.
func (s *ServiceContext) dial(ctx context.Context, key string, c zrpc.RpcClientConf) (*grpc.ClientConn, error) {
	var opts []grpc.DialOption
	if len(c.Endpoints) == 0 && c.Target == "" {
		r, err := discovery.NewResolver(ctx, c.Etcd, etcdPatience)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		s.resolvers = append(s.resolvers, r)
		c.Target = r.Target()
		opts = append(opts, grpc.WithResolvers(r))
	}
	conn, err := dial(c, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	s.conns = append(s.conns, conn)
	return conn, nil
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
	return 5 * time.Second
}
