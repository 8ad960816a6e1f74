// Package authsession is the authsession service as a part: New gives
// a server that a program starts and stops, be it cmd/authsession or one that
// runs several services in a process.
package authsession

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/allow"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/server"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	schema "github.com/tgsession/tgsession/deploy/sql"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

// Config is authsession.yaml.
type Config = config.Config

// Server is the service: the gRPC calls, the store behind them. Start it at
// most once.
type Server struct {
	config Config
	rpc    *rpcserver.Server
	peers  *allow.Live

	mu     sync.Mutex
	svcCtx *svc.ServiceContext // nil until the store is open
	work   *lifecycle.Work     // nil until the service is published
	admin  *admin.Server       // nil until the store is open, or when it is off
}

const (
	// Goroutines that serve one call after the other: a fresh one grows its stack anew
	// for each. Calls beyond get one of their own. They take turns, and the garbage
	// collector halves the stacks of those that wait: with more, each grew again.
	workers = 16
	// A fixed window keeps gRPC from estimating one, for which it pings the peer after
	// each request.
	windowSize = 1 << 20
)

// New prepares the service; nothing is opened yet.
func New(c Config) (*Server, error) {
	s := &Server{config: c, peers: new(allow.Live)}
	c.DropSpans()
	// The requests of these calls hold keys, and go-zero logs requests.
	ignored := &c.Middlewares.StatConf.IgnoreContentMethods
	*ignored = append(append([]string{}, *ignored...),
		pb.RPCAuthsession_AuthsessionSetAuthKey_FullMethodName,
		pb.RPCAuthsession_AuthsessionBindTempAuthKey_FullMethodName)
	if c.Mysql.DisableStmtLog {
		sqlx.DisableStmtLog()
	}
	sqlx.SetSlowThreshold(time.Duration(max(c.Mysql.SlowThreshold, 500)) * time.Millisecond)
	allowed, err := allow.Parse(c.AllowPeers)
	if err != nil {
		return nil, err
	}
	s.peers.Set(allowed)
	rpc, err := rpcserver.New(rpcserver.Options{
		Conf:     c.RpcServerConf,
		Register: func(g *grpc.Server) { server.Register(g, s.svcCtx) },
		Checks: []rpcserver.Check{
			{Name: "MySQL", Ask: s.ask((*dao.Dao).AskMySQL)},
			{Name: "Redis", Ask: s.ask((*dao.Dao).AskRedis), Optional: true},
		},
		MaxInFlight:        c.MaxInFlight,
		EndsInTime:         true,
		UnaryInterceptors:  []grpc.UnaryServerInterceptor{s.peers.Intercept},
		StreamInterceptors: []grpc.StreamServerInterceptor{s.peers.InterceptStream},
		ServerOptions: []grpc.ServerOption{
			grpc.NumStreamWorkers(workers),
			grpc.InitialWindowSize(windowSize), grpc.InitialConnWindowSize(4 * windowSize),
		},
	})
	if err != nil {
		return nil, err
	}
	s.rpc = rpc
	return s, nil
}

// ask is a check of the store.
func (s *Server) ask(what func(*dao.Dao, context.Context) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		s.mu.Lock()
		svcCtx := s.svcCtx
		s.mu.Unlock()
		if svcCtx == nil {
			return "", errors.New("the store is not open")
		}
		return what(svcCtx.Dao, ctx)
	}
}

// Start opens the store, migrates it if so configured, serves, and publishes
// the service in etcd. It returns when peers can call, or with what the
// operator has to change: MySQL out of reach for Mysql.StartTimeout is an error,
// and so is etcd for 5 s; Redis out of reach is a warning.
func (s *Server) Start(ctx context.Context) error {
	s.rpc.Expose()
	db, err := lifecycle.OpenDatabase(ctx, database(s.config))
	if err != nil {
		return err
	}
	svcCtx, err := svc.New(ctx, s.config, db, time.Now)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.svcCtx = svcCtx
	s.mu.Unlock()
	if err := s.startAdmin(ctx, db); err != nil {
		return err
	}
	if err := s.rpc.Start(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.work = lifecycle.StartWork(svcCtx.Dao, svcCtx.Manager, work(s.config))
	s.mu.Unlock()
	logx.Infof("%s serves on %s, published as %s", s.config.Name, s.config.ListenOn, rpcserver.PublishedAddress(s.config.ListenOn))
	return nil
}

// startAdmin serves the admin API, before peers can find the service: a node
// whose admin API does not start does not start.
func (s *Server) startAdmin(ctx context.Context, db *sql.DB) error {
	api, err := admin.New(s.config, lifecycle.Administered{Manager: s.svcCtx.Manager, Dao: s.svcCtx.Dao, Batch: s.config.Cleanup.BatchSize}, db, time.Now)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.admin = api
	s.mu.Unlock()
	return api.Start(ctx)
}

// Reload takes from c what a running node can take: Sessions, Concurrency, AllowPeers
// and Log.Level, the last for the whole process. All else stays as it is. Call it after
// Start, and not in two goroutines at once. An error means that nothing has changed.
func (s *Server) Reload(c Config) error {
	allowed, err := allow.Parse(c.AllowPeers)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.svcCtx == nil {
		return errors.New("the service has been stopped")
	}
	s.peers.Set(allowed)
	s.svcCtx.Dao.SetRules(svc.Rules(c))
	s.svcCtx.Manager.SetAnnounces(c.Sessions.AnnounceLogins)
	s.config.Sessions, s.config.Concurrency = c.Sessions, c.Concurrency
	s.admin.Show(s.config)
	rpcserver.SetLogLevel(c.Log.Level)
	return nil
}

// Failed delivers the error of a server that ended by itself.
func (s *Server) Failed() <-chan error { return s.rpc.Failed() }

// Stop takes the service out of etcd, lets the calls in flight finish until
// ctx ends, and closes the store; background work ends with its batch. It may be called after a failed Start.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	rested := s.work.Stop()
	api := s.admin
	s.mu.Unlock()
	administered := make(chan error, 1)
	go func() { administered <- api.Stop(ctx) }()
	err := errors.Join(s.rpc.Stop(ctx), <-administered)
	<-rested
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.svcCtx != nil {
		if closeErr := s.svcCtx.Close(); closeErr != nil {
			logx.Errorf("closing the store: %v", closeErr)
		}
		s.svcCtx = nil
	}
	return err
}

// Budget is the time Stop may take by the configuration.
func (s *Server) Budget() time.Duration { return rpcserver.Budget(s.config.RpcServerConf) }

// database is where a configuration has the database.
func database(c Config) lifecycle.Database {
	return lifecycle.Database{Pool: svc.Pool(c.Mysql), Migrate: c.Mysql.Migrate, Etcd: c.Etcd, Log: c.Log}
}

// work is what a configuration has a node do beside answering calls.
func work(c Config) lifecycle.Options {
	return lifecycle.Options{
		Warmup: lifecycle.WarmupOptions(c.Warmup), Sweep: lifecycle.SweepOptions(c.Sweep), Cleanup: lifecycle.CleanupOptions(c.Cleanup),
		Events: svc.Events(c.Events),
	}
}

// Migrate brings the configured database's schema up to date and returns the
// names of the migrations that were applied. A database without the tables of a
// stock install is refused unless create says to make them: an import of the
// SQL files of Teamgram would stop at them.
func Migrate(ctx context.Context, c Config, create bool) ([]string, error) {
	return names(lifecycle.Migrate(ctx, database(c), create))
}

// Due returns the statements that Migrate would change tables with, and runs
// none of them.
func Due(ctx context.Context, c Config) ([]string, error) { return lifecycle.Due(ctx, database(c)) }

// Unmigrate takes them back, down to the tables of a stock install. While a node
// of ours serves under the configured key in etcd it refuses, unless force says
// to go on.
func Unmigrate(ctx context.Context, c Config, force bool) ([]string, error) {
	return names(lifecycle.Unmigrate(ctx, database(c), force))
}

func names(done []schema.Applied, err error) ([]string, error) {
	list := make([]string, len(done))
	for i, d := range done {
		list[i] = d.File
	}
	return list, err
}

// Reseal stores all auth keys as KeyEncryption says: encrypted with its key,
// or plain when it names none but a previous one. It returns how many keys it
// rewrote; an error tells of those it could not read, too.
func Reseal(ctx context.Context, c Config) (rewritten int, err error) {
	sealer, err := c.KeyEncryption.Sealer()
	if err != nil {
		return 0, err
	}
	db, err := lifecycle.OpenDatabase(ctx, database(c))
	if err != nil {
		return 0, err
	}
	d := dao.New(ctx, db, svc.Store(c, time.Now, sealer))
	defer func() { _ = d.Close() }()
	rewritten, unreadable, err := d.Reseal(ctx)
	if err == nil && unreadable > 0 {
		err = fmt.Errorf("%d auth keys cannot be read with the keys that KeyEncryption names; they are as they were", unreadable)
	}
	return rewritten, err
}
