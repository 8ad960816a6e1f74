package bff

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/zeromicro/go-zero/zrpc"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/tl"
)

// stopWithin bounds how long Stop waits for calls in flight.
const stopWithin = 5 * time.Second

// Server is the BFF. Its methods are safe for concurrent use.
type Server struct {
	cfg       Config
	schema    *tl.Schema
	methods   *tg.ServerDispatcher
	upgrades  map[uint32]*upgrade // by the id of an older version
	empties   *empties
	store     *store
	files     *files
	pusher    *pusher
	verifiers map[string]*verifier // by phone; immutable
	sessions  authsession.RPCAuthsessionClient
	conn      io.Closer // of sessions
	exports   exports

	listener net.Listener
	grpc     *grpc.Server
	serving  sync.WaitGroup
	withdraw func()
	stop     sync.Once
}

// New prepares a server and listens; it serves from Start on. It fails when
// the release is unknown, the address is taken or authsession's configuration
// is of no use.
func New(cfg Config) (*Server, error) {
	cfg.setDefaults()
	schema, err := tl.Load(cfg.Release)
	if err != nil {
		return nil, fmt.Errorf("bff: %w", err)
	}
	upgrades, err := newUpgrades(schema, cfg.Release)
	if err != nil {
		return nil, err
	}
	empties, err := newEmpties()
	if err != nil {
		return nil, err
	}
	pusher, err := newPusher(cfg, schema)
	if err != nil {
		return nil, err
	}
	verifiers := make(map[string]*verifier, len(cfg.Passwords))
	for phone, password := range cfg.Passwords {
		if verifiers[phone], err = newVerifier(password); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", cfg.ListenOn)
	if err != nil {
		return nil, fmt.Errorf("bff: %w", err)
	}
	client, err := zrpc.NewClient(cfg.AuthSession)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("bff: authsession: %w", err)
	}
	s := &Server{
		cfg:       cfg,
		schema:    schema,
		upgrades:  upgrades,
		empties:   empties,
		store:     newStore(),
		files:     newFiles(),
		verifiers: verifiers,
		pusher:    pusher,
		sessions:  authsession.NewRPCAuthsessionClient(client.Conn()),
		conn:      client.Conn(),
		listener:  listener,
		withdraw:  func() {},
	}
	s.methods = tg.NewServerDispatcher(func(context.Context, *bin.Buffer) (bin.Encoder, error) {
		return nil, errNotServed
	})
	s.registerHelp()
	s.registerAuth()
	s.registerPassword()
	s.registerAccount()
	s.registerUsers()
	s.registerMessages()
	s.registerSearch()
	s.registerFiles()
	s.registerUpdates()
	s.registerEntry()
	s.registerAlmostEmpty()

	s.grpc = grpc.NewServer(grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(s.handle))
	grpc_health_v1.RegisterHealthServer(s.grpc, health.NewServer())
	return s, nil
}

// Addr is the address the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Groups are the names of the gRPC services of its release, which an operator
// routes to a BFF (IDMap).
func (s *Server) Groups() []string { return s.schema.Groups() }

// Start serves, finds the session nodes and registers the server. When it
// returns the server can be reached; ctx bounds that alone. After an error
// the server is still to be stopped.
func (s *Server) Start(ctx context.Context) error {
	s.pusher.start()
	s.serving.Go(func() {
		if err := s.grpc.Serve(s.listener); err != nil {
			s.cfg.Logger.Error("bff: serve", zap.Error(err))
		}
	})
	disc := s.cfg.Discovery
	if disc == nil {
		s.pusher.update(s.cfg.Sessions)
		return nil
	}
	if err := disc.Watch(ctx, SessionKey, s.pusher.update); err != nil {
		return fmt.Errorf("bff: %w", err)
	}
	withdraw, err := disc.Publish(ctx, Key, s.Addr())
	if err != nil {
		return fmt.Errorf("bff: %w", err)
	}
	s.withdraw = withdraw
	return nil
}

// Stop withdraws the server, gives calls in flight a few seconds and ends
// everything. It is called after Start has returned, or in its place; further
// calls do nothing.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.withdraw()
		kill := time.AfterFunc(stopWithin, s.grpc.Stop)
		s.grpc.GracefulStop()
		kill.Stop()
		_ = s.listener.Close() // the gRPC server knows it only after Start
		s.serving.Wait()
		s.pusher.close()
		_ = s.conn.Close()
	})
}
