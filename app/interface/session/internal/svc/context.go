// Package svc puts the parts of a session node together.
package svc

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/gateway"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/tl"
)

// ServiceContext is a node: what its gRPC handlers work with.
type ServiceContext struct {
	Config  config.Config
	Schema  *tl.Schema
	Cluster *cluster.Cluster

	// Set by Build.
	Keys     *keys.Resolver
	Runloop  *runloop.Manager
	Gateways *gateway.Gateways // nil: Deps.Send stands for them
	Auth     *peers.AuthSession
	Status   *peers.Status // nil: Deps.Notify stands for it
	Touches  *peers.Touches

	workers    lane.Workers // what runs beside its caller, where Deps.Spawn is nil
	dispatcher *dispatch.Dispatcher
	release    *releasecheck.Check
	gatewaySub *discovery.Subscription
	resolvers  []*discovery.Resolver
	conns      []*grpc.ClientConn
	ends       []func()                            // of calls of conns
	bffs       map[string]grpc.ClientConnInterface // by the names that an IDMap has
	rechecked  recheck
	pushed     lastPush
	auth       grpc.ClientConnInterface // authsession; nil until Start
	begun      atomic.Bool              // the parts are there
	stop       context.CancelFunc
	busy       sync.WaitGroup
}

// New prepares a node: it loads the schema, unless Start has to ask for its name, and
// calls nobody.
func New(c config.Config) (*ServiceContext, error) {
	c.SetDefaults()
	s := Prepare(c, nil, rpcserver.PublishedAddress(c.ListenOn))
	if c.Schema == config.SchemaAuto {
		return s, nil
	}
	if err := s.load(c.Schema); err != nil {
		return nil, err
	}
	return s, nil
}

// load loads the schema, and has answers of BFFs held against it.
func (s *ServiceContext) load(source string) (err error) {
	if s.Schema, err = LoadSchema(source); err != nil {
		return err
	}
	s.release, err = releasecheck.New(s.Schema, source)
	return err
}

// LoadSchema loads a shipped release or the table set at a path; an error is a
// *conf.KeyError of Schema.
func LoadSchema(source string) (*tl.Schema, error) {
	load := tl.Load
	if !slices.Contains(tl.Releases(), source) {
		load = tl.Open
	}
	schema, err := load(source)
	if err != nil {
		return nil, &conf.KeyError{
			Key: "Schema", Problem: fmt.Sprintf("%q cannot be loaded (%v)", source, err),
			Fix: "name a shipped release (" + strings.Join(tl.Releases(), ", ") + ") or the path of a table set that lab tlgen has made",
		}
	}
	return schema, nil
}

// Prepare is New with a schema that is loaded already, for a node that is published
// as self, host:port. c must have its defaults. Nobody looks at what BFFs answer
// for signs of another release.
func Prepare(c config.Config, schema *tl.Schema, self string) *ServiceContext {
	return &ServiceContext{Config: c, Schema: schema, Cluster: cluster.New(self)}
}

// Start connects the node to its peers: it returns once etcd has answered.
// The peers themselves need not be there yet, but for the BFFs where Schema is auto.
func (s *ServiceContext) Start(ctx context.Context) error {
	c := &s.Config
	auth, err := s.dial(ctx, "AuthSession", c.AuthSession)
	if err != nil {
		return err
	}
	s.auth = auth
	stat, err := s.dial(ctx, "StatusClient", c.StatusClient)
	if err != nil {
		return err
	}
	if err := s.dialBFFs(ctx); err != nil {
		return err
	}
	if c.Schema == config.SchemaAuto {
		release, err := s.findRelease(ctx, releaseWait)
		if err != nil {
			return err
		}
		if err := s.load(release); err != nil {
			return err
		}
	}
	routes, warnings := dispatch.NewRoutes(s.Schema.Groups(), c.BFFProxyClients.IDMap, s.bffs)
	rpcserver.Warn("session", c.Log, warnings...)
	s.Build(Deps{
		Auth:         auth,
		Status:       stat,
		Routes:       routes,
		Gateway:      func(id string) (*grpc.ClientConn, error) { return dialGateway(c.GatewayClient, id) },
		GatewayAside: func(id string) (*grpc.ClientConn, error) { return dialTo(c.GatewayClient, id) },
		Node: func(addr string) (cluster.Conn, error) {
			return dialTo(zrpc.RpcClientConf{App: c.Nodes.App, Token: c.Nodes.Token, Middlewares: c.AuthSession.Middlewares}, addr)
		},
	})
	s.run()
	if err := s.follow(ctx); err != nil {
		return err
	}
	logx.Infof("%s at %s: schema %s (%s), layers %d to %d; %d groups routed: %s", c.Name, s.Cluster.Self(),
		s.Schema.Name(), s.Schema.Hash(), s.Schema.MinLayer(), s.Schema.MaxLayer(), len(routes), strings.Join(routes.Groups(), " "))
	return nil
}

// Begun reports whether the parts of the node are there. Whoever looks at them from
// outside of the handlers asks first.
func (s *ServiceContext) Begun() bool { return s.begun.Load() }

// run begins what goes on until Close.
func (s *ServiceContext) run() {
	s.begun.Store(true)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.Runloop.Start(ctx)
	s.Touches.Start()
	s.busy.Add(2)
	go s.measure(ctx)
	go s.lookAfter(ctx)
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

// dialBFFs makes the clients of the BFFs.
func (s *ServiceContext) dialBFFs(ctx context.Context) error {
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
			return err
		}
		clients[name] = conn
	}
	s.bffs = clients
	return nil
}

// Reroute replaces the IDMap. Calls under way go on where they are; an entry that leads
// nowhere is told of, as at a start. It is for a node that was started.
func (s *ServiceContext) Reroute(idMap map[string]string) {
	routes, warnings := dispatch.NewRoutes(s.Schema.Groups(), idMap, s.bffs)
	rpcserver.Warn("session", s.Config.Log, warnings...)
	s.dispatcher.SetRoutes(routes)
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
	conn, end, err := dialShort(c, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	s.conns, s.ends = append(s.conns, conn), append(s.ends, end)
	return conn, nil
}
