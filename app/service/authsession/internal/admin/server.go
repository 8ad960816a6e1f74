package admin

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/reload"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
	pb "github.com/tgsession/tgsession/proto/admin"
)

const (
	headerTime = 5 * time.Second  // for the headers of a REST call
	idleTime   = 60 * time.Second // of a connection without a call

	maxConnections = 256 // of a listener
)

// Server is the admin API on its listeners. A nil Server is one that is
// switched off. A listener that ends by itself is logged, and the service goes
// on without it.
type Server struct {
	conf  config.Admin
	guard *guard
	rpc   *rpcserver.Server // nil: no gRPC
	rest  *http.Server      // nil: no REST

	calls   *impl
	remote  *token.Remote // nil: none
	keeper  *keeper
	workers []*worker.Worker
	serving sync.WaitGroup // REST
}

// New prepares the admin API as c.Admin says; nil when it names no listener.
// Calls are served by s, and written down in db.
func New(c config.Config, s Sessions, db *sql.DB, now func() time.Time) (*Server, error) {
	if !c.Admin.Enabled() {
		return nil, nil
	}
	keys, err := reload.New("Admin.Tokens", c.Admin.Tokens.Files(), now, c.Admin.Tokens.Load)
	if err != nil {
		return nil, err
	}
	clients, err := c.Admin.Clients()
	if err != nil {
		return nil, err
	}
	encryption, err := reload.New("Admin.TLS", c.Admin.TLS.Files(), now, c.Admin.ServerTLS)
	if err != nil {
		return nil, err
	}
	rows := audit.New(db, now)
	a := &Server{conf: c.Admin, keeper: &keeper{rows: rows, keep: c.Admin.KeepLog, brief: c.Admin.Refusals.Keep}}
	a.guard = &guard{clients: clients, limits: newLimiter(c.Admin.RateLimit, now), strangers: newStrangers(c.Admin.Refusals, now), polls: newPolls(now), log: rows, timeout: c.Admin.Timeout, now: now}
	if address := c.Admin.Tokens.JWKSURL; address != "" {
		a.remote = token.NewRemote(address, now, func(err error) { logx.Errorf("config key Admin.Tokens.JWKSURL: what is there %v", err) })
	}
	if len(keys.Get().ByID) > 0 || a.remote != nil {
		a.guard.verifier = token.NewVerifier(func() token.Keys {
			all := keys.Get()
			all.Remote = a.remote
			return all
		}, c.Admin.Tokens.Rules(), now)
	}
	within := c.Touch.DBInterval + c.Touch.CacheInterval
	calls := &impl{
		sessions: s, audit: rows, events: events.NewBook(db, svc.Events(c.Events)), leastOlderThan: c.LeastInactive(),
		counts:  newCounter(s, within, c.Admin.Timeout, now),
		samples: &samples{sessions: s, within: within, timeout: c.Admin.Timeout, now: now},
	}
	calls.config.Store(settings(c))
	a.calls = calls
	if c.Admin.ListenOn != "" {
		if a.rpc, err = newRPC(c.RpcServerConf, c.Admin.ListenOn, a.guard, encryption.Get, calls); err != nil {
			return nil, err
		}
	}
	if address := c.Admin.RestAddress(); address != "" {
		handler, err := restHandler(c.ServiceConf, a.guard, calls)
		if err != nil {
			return nil, err
		}
		if handler, err = a.guard.withConsole(handler, c.Admin, keys.Get); err != nil {
			return nil, err
		}
		a.rest = &http.Server{
			Addr: address, Handler: handler,
			TLSConfig:         a.guard.checkClients(encryption.Get, overREST, "h2", "http/1.1"),
			ReadHeaderTimeout: headerTime, ReadTimeout: headerTime + c.Admin.Timeout, WriteTimeout: headerTime + 2*c.Admin.Timeout,
			IdleTimeout: idleTime, MaxHeaderBytes: maxHeaders,
			ErrorLog: log.New(logLines{}, "", 0), ConnState: capConnections(maxConnections),
		}
	}
	return a, nil
}

// Show has GetConfig show another configuration from now on.
func (a *Server) Show(c config.Config) {
	if a != nil {
		a.calls.config.Store(settings(c))
	}
}

// newRPC is the pair's usual server, but for what belongs to its peers: etcd,
// go-zero's authentication. Callers are limited here, and one whom that
// refuses must not trip a breaker for all.
func newRPC(c zrpc.RpcServerConf, listenOn string, g *guard, encryption func() *tls.Config, calls *impl) (*rpcserver.Server, error) {
	c.ListenOn, c.Etcd, c.Auth, c.Health = listenOn, discov.EtcdConf{}, false, false
	c.Timeout, c.MethodTimeouts, c.CpuThreshold = 0, nil, 0
	c.Middlewares.Breaker = false
	return rpcserver.New(rpcserver.Options{
		Conf:              c,
		Register:          func(s *grpc.Server) { pb.RegisterSessionAdminServer(s, calls) },
		MaxConnections:    maxConnections,
		MaxIdle:           idleTime,
		Credentials:       g.grpcCredentials(encryption),
		UnaryInterceptors: []grpc.UnaryServerInterceptor{g.intercept},
		ServerOptions:     grpcOptions(),
	})
}

// Start opens the listeners and serves. On an error nothing is left running.
func (a *Server) Start(ctx context.Context) error {
	if a == nil {
		return nil
	}
	var rest net.Listener
	if a.rest != nil {
		var err error
		if rest, err = net.Listen("tcp", a.rest.Addr); err != nil {
			return cannotListen("Admin.Rest.Port", err)
		}
	}
	if a.rpc != nil {
		if err := a.rpc.Start(ctx); err != nil {
			if rest != nil {
				rest.Close()
			}
			return cannotListen("Admin.ListenOn", err)
		}
		logx.Infof("the admin API serves gRPC on %s", a.conf.ListenOn)
	}
	if rest != nil {
		a.serving.Go(func() { a.serveREST(rest) })
		logx.Infof("the admin API serves REST on %s", a.rest.Addr)
	}
	a.workers = []*worker.Worker{a.keeper.start(), a.calls.samples.start()}
	return nil
}

// capConnections closes connections beyond so many at a time. (A listener that
// wraps them would take from net/http the means to close them in order.)
func capConnections(most int64) func(net.Conn, http.ConnState) {
	var open atomic.Int64
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if open.Add(1) > most {
				conn.Close()
			}
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
}

func cannotListen(key string, err error) error {
	return &conf.KeyError{Key: key, Problem: fmt.Sprintf("cannot be served (%v)", err), Fix: "end what listens there, or choose another"}
}

func (a *Server) serveREST(l net.Listener) {
	serve := func() error { return a.rest.Serve(l) }
	if a.rest.TLSConfig != nil {
		serve = func() error { return a.rest.ServeTLS(l, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		logx.Errorf("admin API: REST on %s has ended: %v", a.rest.Addr, err)
	}
}

// Stop closes the listeners and lets the calls in flight finish until ctx
// ends. It may be called after a failed Start, and more than once.
func (a *Server) Stop(ctx context.Context) error {
	if a == nil {
		return nil
	}
	for _, w := range a.workers {
		w.Stop()
	}
	var rpcErr, restErr error
	var both sync.WaitGroup
	if a.rpc != nil {
		both.Go(func() { rpcErr = a.rpc.Stop(ctx) })
	}
	if a.rest != nil {
		both.Go(func() {
			if restErr = a.rest.Shutdown(ctx); restErr != nil {
				_ = a.rest.Close()
			}
		})
	}
	both.Wait()
	a.remote.Close()
	a.serving.Wait()
	for _, w := range a.workers {
		<-w.Done()
	}
	return errors.Join(rpcErr, restErr)
}

// logLines takes what net/http complains of: handshakes that failed, mostly.
type logLines struct{}

func (logLines) Write(p []byte) (int, error) {
	logx.Infof("admin API: %s", strings.TrimSpace(string(p)))
	return len(p), nil
}
