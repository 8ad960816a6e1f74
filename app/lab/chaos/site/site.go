package site

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zeromicro/go-zero/zrpc"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/chaos/links"
	"github.com/tgsession/tgsession/app/lab/chaos/part"
	"github.com/tgsession/tgsession/app/lab/chaos/plan"
	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/app/lab/status"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

// DC is the id of the data centre.
const DC = 2

// Config of a Site. The programs and Dir are needed.
type Config struct {
	// Dir holds everything that the run writes, the logs in Dir/logs. It is made
	// when it is missing.
	Dir string
	// Session, AuthSession and Gateway are the programs, with arguments; "-f
	// FILE" is added.
	Session, AuthSession, Gateway []string
	// EtcdProgram is started three times. Empty: Etcd is used, and not touched.
	EtcdProgram string
	// MySQL (a DSN), Redis and Etcd (host:port) name servers for where programs
	// are not installed.
	MySQL, Redis string
	Etcd         []string
	// Stream speaks to session through streams in place of unary calls.
	Stream bool
	// Sent hears of each message that reaches the BFF.
	Sent func(bff.Sent)
	// Log takes what the parts in this process have to say, BFFLog the same of
	// the BFF.
	Log    *slog.Logger
	BFFLog *zap.Logger
}

// Site is the running cluster. Its methods are for one goroutine.
type Site struct {
	// Gateways are where clients connect.
	Gateways []string
	// Skipped are the faults that cannot be made here, with the reason.
	Skipped map[plan.Type]string

	cfg     Config
	key     *rsa.PrivateKey
	servers servers
	disc    *discovery.Client
	status  *links.Node // the network of the status service
	online  *status.Server
	bff     *bff.Server

	authAddrs []string
	auth      []*node
	sessions  []*node
	gates     []*node
	extra     *node // the session node that has joined
	numbered  int   // session nodes so far

	parts []*part.Part // all that may run
	undo  []func()
}

// Start starts everything in the order in which the parts need each other. On an
// error nothing is left running.
func Start(ctx context.Context, cfg Config) (_ *Site, err error) {
	s := &Site{cfg: cfg, Skipped: map[plan.Type]string{}}
	redis.SetLogger(quiet{}) // that Redis is away is what the run is for
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	if err := os.MkdirAll(s.log(""), 0o700); err != nil {
		return nil, fmt.Errorf("site: %w", err)
	}
	if s.key, err = gateway.LoadKey(s.path("rsa.pem")); err != nil {
		return nil, err
	}
	for _, start := range []func(context.Context) error{s.startServers, s.startHere, s.startNodes} {
		if err := start(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// quiet is a log of the Redis client that nobody reads.
type quiet struct{}

// Printf implements the client's interface.
func (quiet) Printf(context.Context, string, ...any) {}

func (s *Site) path(name string) string { return filepath.Join(s.cfg.Dir, name) }
func (s *Site) log(name string) string  { return filepath.Join(s.cfg.Dir, "logs", name) }

// Key is the RSA key that clients need.
func (s *Site) Key() *rsa.PublicKey { return &s.key.PublicKey }

// Extra tells whether a session node has joined.
func (s *Site) Extra() bool { return s.extra != nil }

func (s *Site) onClose(f func()) { s.undo = append(s.undo, f) }

// own is a part that Close ends.
func (s *Site) own(p *part.Part) *part.Part {
	s.parts = append(s.parts, p)
	return p
}

func (s *Site) skip(why string, types ...plan.Type) {
	for _, t := range types {
		s.Skipped[t] = why
	}
}

// startHere starts what lives in this process.
func (s *Site) startHere(ctx context.Context) error {
	var err error
	if s.disc, err = discovery.Dial(ctx, s.servers.etcdAddrs); err != nil {
		return err
	}
	s.onClose(func() { _ = s.disc.Close() })
	if s.status, err = s.network(map[string][]string{toRedis: {s.servers.redisAddr}}); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: s.status.Via(s.servers.redisAddr), ReadTimeout: time.Second, WriteTimeout: time.Second})
	s.onClose(func() { _ = client.Close() })
	if s.online, err = status.Start(ctx, status.Config{Discovery: s.disc, Store: status.Redis(client)}); err != nil {
		return err
	}
	s.onClose(s.online.Close)
	if s.authAddrs, err = free(authNodes); err != nil {
		return err
	}
	if s.Gateways, err = free(gateways); err != nil {
		return err
	}
	s.bff, err = bff.New(bff.Config{
		Discovery:   s.disc,
		AuthSession: zrpc.RpcClientConf{Endpoints: s.authAddrs, Timeout: 2000},
		Online:      s.patient,
		Stream:      s.cfg.Stream,
		DC:          DC,
		Gateway:     s.Gateways[0], // clients go to the other one, too
		Sent:        s.cfg.Sent,
		Delay:       dawdle(),
		Logger:      s.cfg.BFFLog,
	})
	if err != nil {
		return err
	}
	s.onClose(s.bff.Stop)
	return s.bff.Start(ctx)
}

const (
	// slowOnes is every how many-eth message that the BFF takes its time for, so
	// that faults meet calls under way. It takes less than what counts as slow.
	slowOnes = 4
	slowTime = 500 * time.Millisecond
)

// dawdle says how long the BFF takes for a call.
func dawdle() func(method string) time.Duration {
	var n atomic.Int64
	return func(method string) time.Duration {
		if method == "messages.sendMessage" && n.Add(1)%slowOnes == 0 {
			return slowTime
		}
		return 0
	}
}

// patient asks status who is online until it answers: of pushes that are given
// up because it does not, no session node can know.
func (s *Site) patient(ctx context.Context, userID int64) ([]*statuspb.SessionEntry, error) {
	for {
		entries, err := s.online.Online(ctx, userID)
		if err == nil {
			return entries, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(retry):
		}
	}
}

// startNodes starts the nodes of the services, and the gateways.
func (s *Site) startNodes(ctx context.Context) error {
	for _, addr := range s.authAddrs {
		if err := s.startAuth(ctx, addr); err != nil {
			return err
		}
	}
	for range sessionNodes {
		n, err := s.startSession(ctx)
		if err != nil {
			return err
		}
		s.sessions = append(s.sessions, n)
	}
	for _, addr := range s.Gateways {
		if err := s.startGateway(ctx, addr); err != nil {
			return err
		}
	}
	return nil
}

// free are addresses that nobody listens on.
func free(n int) (addrs []string, err error) {
	for range n {
		addr, err := proc.FreeAddr()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// Failed tells which parts have ended by themselves.
func (s *Site) Failed() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Failed())
	}
	return errors.Join(errs...)
}

// Close ends everything, the services before their servers.
func (s *Site) Close() {
	ctx := context.Background()
	for _, p := range slices.Backward(s.parts) {
		if err := p.Stop(ctx); err != nil {
			s.cfg.Log.Error("stopping", "part", p.Name, "err", err)
		}
	}
	for _, f := range slices.Backward(s.undo) {
		f()
	}
	s.parts, s.undo = nil, nil
}
