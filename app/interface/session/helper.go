// Package session is the session service: the server side of MTProto
// sessions, between gateways and BFFs. It may run in a process of its own
// (cmd/session) or inside another.
package session

import (
	"context"
	"net/http"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/inside"
	"github.com/tgsession/tgsession/app/interface/session/internal/packets"
	"github.com/tgsession/tgsession/app/interface/session/internal/server"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
	"github.com/tgsession/tgsession/app/internal/allow"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/session"
)

// Config is session.yaml.
type Config = config.Config

// Service is one session node.
type Service struct {
	svc   *svc.ServiceContext
	rpc   *rpcserver.Server
	peers *allow.Live
}

// New prepares a node; Start opens its port. A configuration that was not
// loaded from a file needs Name, ListenOn and its peers; see Config.
func New(c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.DropSpans()
	node, err := svc.New(c)
	if err != nil {
		return nil, err
	}
	allowed, err := allow.Parse(c.AllowPeers)
	if err != nil {
		return nil, err
	}
	peers := new(allow.Live)
	peers.Set(allowed)
	unary := server.New(node)
	stream := server.NewStream(unary)
	nodes := server.NewNodes(unary)
	s := &Service{svc: node, peers: peers}
	s.rpc, err = rpcserver.New(rpcserver.Options{
		Conf: serverConf(c),
		Register: func(g *grpc.Server) {
			session.RegisterRPCSessionServer(g, unary)
			session.RegisterRPCSessionStreamServer(g, stream)
			session.RegisterSessionNodesServer(g, nodes)
		},
		Drain: func(ctx context.Context) {
			node.Drain(ctx)
			stream.End()
		},
		Lost:               node.Cluster.Rejoin,
		Checks:             []rpcserver.Check{{Name: "authsession", Ask: node.AskAuthSession}},
		Pages:              map[string]http.Handler{inside.Prefix: inside.New(node)},
		UnaryInterceptors:  []grpc.UnaryServerInterceptor{peers.Intercept, unary.Await},
		StreamInterceptors: []grpc.StreamServerInterceptor{peers.InterceptStream},
		ServerOptions: []grpc.ServerOption{
			grpc.UnaryInterceptor(server.Harmless),
			grpc.ForceServerCodecV2(packets.Codec),
			grpc.NumStreamWorkers(unaryWorkers),
			grpc.ReadBufferSize(bufferSize), grpc.WriteBufferSize(bufferSize),
			grpc.InitialWindowSize(windowSize), grpc.InitialConnWindowSize(4 * windowSize),
		},
	})
	if err != nil {
		return nil, err
	}
	node.Cluster.Lease = s.rpc
	return s, nil
}

const (
	bufferSize = 256 << 10
	windowSize = 1 << 20
	// Goroutines that serve one unary call after the other: a fresh one grows
	// its stack anew for each. Calls beyond get one of their own.
	unaryWorkers = 64
	// A long poll is not slow, and no request of ours may be in a log.
	slowCall = 30 * time.Second
	// Of a file that sets no CpuThreshold.
	goZeroThreshold = 900
)

// serverConf is what zrpc gets. Timeouts are kept by the handlers, which
// answer before they strike. go-zero's load shedding is off unless the file asks
// for it by a CpuThreshold of its own: it counts long polls as work in hand, and
// refuses whatever comes while the CPU is busy, be it a packet, which the client
// sends again, or a key, without which there is no connection. What a key and the
// node may have in hand is bounded by the Session block.
func serverConf(c Config) zrpc.RpcServerConf {
	conf := c.RpcServerConf
	conf.Timeout, conf.MethodTimeouts = 0, nil
	if conf.CpuThreshold == goZeroThreshold {
		conf.CpuThreshold = 0
	}
	stat := &conf.Middlewares.StatConf
	if stat.SlowThreshold <= 500*time.Millisecond {
		stat.SlowThreshold = slowCall
	}
	for _, service := range [...]*grpc.ServiceDesc{&session.RPCSession_ServiceDesc, &session.SessionNodes_ServiceDesc} {
		for _, m := range service.Methods {
			stat.IgnoreContentMethods = append(stat.IgnoreContentMethods, "/"+service.ServiceName+"/"+m.MethodName)
		}
	}
	return conf
}

// Start connects to etcd, opens the port and registers the node. It returns
// when the node is ready.
func (s *Service) Start(ctx context.Context) error {
	s.rpc.Expose()
	if err := s.svc.Start(ctx); err != nil {
		_ = s.rpc.Stop(ctx)
		s.svc.Close()
		return err
	}
	if err := s.rpc.Start(ctx); err != nil {
		s.svc.Close()
		return err
	}
	s.svc.Cluster.Watch()
	return nil
}

// Reload takes from c what a running node can take: BFFProxyClients.IDMap, AllowPeers
// and Log.Level, the last for the whole process. All else stays as it is. Call it after
// Start, and not in two goroutines at once. An error means that nothing has changed.
func (s *Service) Reload(c Config) error {
	allowed, err := allow.Parse(c.AllowPeers)
	if err != nil {
		return err
	}
	s.peers.Set(allowed)
	s.svc.Reroute(c.BFFProxyClients.IDMap)
	rpcserver.SetLogLevel(c.Log.Level)
	return nil
}

// Failed delivers the error of a node that ended by itself.
func (s *Service) Failed() <-chan error { return s.rpc.Failed() }

// Stop ends the node by ctx's deadline: it leaves etcd, delivers the answers
// in flight, tells status who is offline now, and ends its streams.
func (s *Service) Stop(ctx context.Context) error {
	err := s.rpc.Stop(ctx)
	s.svc.Close()
	return err
}

// Address is where peers find the node.
func (s *Service) Address() string { return s.svc.Cluster.Self() }
