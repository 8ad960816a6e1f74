package rpcserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/discovery"
)

const (
	goZeroWaitTime = 5500 * time.Millisecond // Shutdown.WaitTime of a configuration that sets none
	etcdTimeout    = 5 * time.Second         // until a silent etcd counts as unreachable
	minPing        = 10 * time.Second
	maxConnections = 16384
)

// Options of a Server. Conf and Register are required.
type Options struct {
	// Conf is used whole, but for Etcd and Health, which are served here.
	Conf zrpc.RpcServerConf
	// Register adds the services.
	Register func(*grpc.Server)
	// Drain ends what GracefulStop would wait for without end (streams) and
	// finishes what must not be lost. It runs when no new peer can find the
	// server any more and should return by ctx's deadline. Nil: nothing.
	Drain func(ctx context.Context)
	// Lost is called when peers could not find the server for a time, because its
	// lease in etcd had run out, before they find it again. Nil: nothing.
	Lost func()

	// Checks are what the server needs to be ready, beside its entry in etcd.
	Checks []Check
	// Pages are further pages of the DevServer by their paths, which end with a slash
	// where all below belongs to them.
	Pages map[string]http.Handler
	// MaxInFlight bounds the unary calls in flight; more are refused with code 500.
	// 0: no bound.
	MaxInFlight int
	// EndsInTime says that every unary call returns soon after its context has ended.
	// Then the time limits of Conf end the context alone; go-zero runs each call in a
	// goroutine of its own, to leave it behind.
	EndsInTime bool
	// MaxConnections bounds the open connections; more are closed at once. Zero
	// value means 16384.
	MaxConnections int
	// MaxIdle is how long a connection without a call stays. Zero value means 15
	// minutes.
	MaxIdle time.Duration
	// Credentials encrypt; nil: nothing does.
	Credentials credentials.TransportCredentials

	UnaryInterceptors  []grpc.UnaryServerInterceptor
	StreamInterceptors []grpc.StreamServerInterceptor
	ServerOptions      []grpc.ServerOption
}

// Server is a zrpc server whose start and stop can be waited for. Its methods
// may be called from any goroutine; Start at most once.
type Server struct {
	options   Options
	zrpc      *zrpc.RpcServer
	health    *health.Server
	readiness *readiness
	exposed   sync.Once
	dev       *devServer    // set by Expose; nil: there is none
	listening chan struct{} // closed once grpc is set and the port is open
	grpc      *grpc.Server
	failed    chan error // capacity 1

	mu        sync.Mutex
	published *discovery.Publication
	stop      sync.Once
}

// New prepares a server; it sets up go-zero's log, traces and metrics, but
// opens no port. An address that peers could not use is a *conf.KeyError, and so is
// a time limit below 0.
func New(o Options) (*Server, error) {
	if err := checkAddress(o.Conf); err != nil {
		return nil, err
	}
	if err := checkTimeouts(o.Conf); err != nil {
		return nil, err
	}
	s := &Server{
		options:   o,
		health:    health.NewServer(),
		listening: make(chan struct{}),
		failed:    make(chan error, 1),
	}
	checks := o.Checks
	if published(o.Conf) {
		checks = append([]Check{s.registration()}, checks...)
	}
	s.health.SetServingStatus(Liveness, grpc_health_v1.HealthCheckResponse_SERVING)
	s.readiness = newReadiness(checks, func(state grpc_health_v1.HealthCheckResponse_ServingStatus) {
		s.health.SetServingStatus(Readiness, state)
	})
	conf := o.Conf
	conf.Etcd, conf.Health, conf.DevServer.Enabled = discov.EtcdConf{}, false, false
	conf.MethodTimeouts = methodTimeouts(conf.MethodTimeouts)
	// go-zero kills the process at WaitTime after a signal that it sees:
	// later than we would end by ourselves.
	conf.Shutdown.WaitTime = Budget(o.Conf) + 5*time.Second
	var limits grpc.UnaryServerInterceptor
	if o.EndsInTime {
		limits = limitTime(&conf)
	}
	observer := observe(&conf)
	z, err := zrpc.NewServer(conf, s.register)
	if err != nil {
		return nil, fmt.Errorf("rpc server: %w", err)
	}
	z.AddOptions(connectionOptions(cmp.Or(o.MaxIdle, idleTime))...)
	z.AddOptions(grpc.Creds(capConnections(o.Credentials, int64(cmp.Or(o.MaxConnections, maxConnections)))))
	z.AddOptions(o.ServerOptions...)
	if observer != nil {
		z.AddUnaryInterceptors(observer)
	}
	if limits != nil {
		z.AddUnaryInterceptors(limits)
	}
	if o.MaxInFlight > 0 {
		z.AddUnaryInterceptors(bounded(o.Conf.Name, int64(o.MaxInFlight)))
	}
	z.AddUnaryInterceptors(o.UnaryInterceptors...)
	z.AddStreamInterceptors(o.StreamInterceptors...)
	s.zrpc = z
	return s, nil
}

// register is called by zrpc when the port is open, right before it serves.
func (s *Server) register(g *grpc.Server) {
	s.options.Register(g)
	if s.options.Conf.Health {
		grpc_health_v1.RegisterHealthServer(g, s.health)
	}
	s.grpc = g
	close(s.listening)
}

// Start opens the port, serves, and publishes the address in etcd when the
// configuration names one. It returns when all of that is done; on an error
// nothing is left running. An etcd that does not answer is an error after 5 s.
func (s *Server) Start(ctx context.Context) error {
	s.Expose()
	go s.serve()
	select {
	case <-s.listening:
	case err := <-s.failed:
		s.dev.close()
		return fmt.Errorf("ListenOn %s cannot be served: %w", s.options.Conf.ListenOn, err)
	case <-ctx.Done():
		s.dev.close()
		return ctx.Err()
	}
	if err := s.publish(ctx); err != nil {
		s.grpc.Stop()
		s.dev.close()
		return err
	}
	s.readiness.begin()
	return nil
}

func (s *Server) serve() {
	defer func() {
		if p := recover(); p != nil { // zrpc panics with the error of Listen and Serve
			err, ok := p.(error)
			if !ok {
				err = fmt.Errorf("%v", p)
			}
			s.failed <- err
		}
	}()
	s.zrpc.Start()
}

// Failed delivers the error of a server that ended by itself after Start.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop ends the server in order; see the package's picture. Calls in flight
// may finish until ctx ends, then their connections are cut. A second call
// returns at once. A Stop so soon after Start that grpc has not begun to serve
// leaves the port to it: it closes the port when it would have begun.
func (s *Server) Stop(ctx context.Context) error {
	err := error(nil)
	s.stop.Do(func() { err = s.drain(ctx) })
	return err
}

func (s *Server) drain(ctx context.Context) error {
	s.Expose() // not after this
	defer s.dev.close()
	s.readiness.stop()
	defer s.readiness.end(ctx)
	s.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	s.unpublish(ctx)
	select {
	case <-s.listening:
	default:
		return nil // never started
	}
	if s.options.Drain != nil {
		s.options.Drain(ctx)
	}
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return errors.New("calls were still in flight when the time to shut down had passed; their connections were cut")
	}
}

// Budget is the time a server may take to stop: Shutdown.WaitTime, 25 s when
// that is not set (or set to go-zero's default of 5.5 s).
func Budget(c zrpc.RpcServerConf) time.Duration {
	if wait := c.Shutdown.WaitTime; wait > 0 && wait != goZeroWaitTime {
		return wait
	}
	return conf.DefaultWaitTime
}
