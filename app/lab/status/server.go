package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/proto/mtproto"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

// EtcdKey is where session nodes look for the service.
const EtcdKey = "service.status"

// Config of a Server.
type Config struct {
	// ListenOn defaults to a free loopback port.
	ListenOn string
	// Discovery registers the server. Nil: it is not registered.
	Discovery *discovery.Client
	// Store defaults to Memory.
	Store Store
	// Expire is how long a user stays known without news. Zero means 90s, as
	// in a stock installation.
	Expire time.Duration
	// Now defaults to time.Now.
	Now func() time.Time
}

// Server serves status.RPCStatus.
type Server struct {
	statuspb.UnimplementedRPCStatusServer
	cfg      Config
	addr     string
	rpc      *grpc.Server
	withdraw func()
	done     chan struct{}
}

// Start serves until Close, and returns when the server can be found.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg.ListenOn = cmp.Or(cfg.ListenOn, "127.0.0.1:0")
	cfg.Expire = cmp.Or(cfg.Expire, 90*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Store == nil {
		cfg.Store = Memory(cfg.Now)
	}
	lis, err := net.Listen("tcp", cfg.ListenOn)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	s := &Server{cfg: cfg, addr: lis.Addr().String(), rpc: grpc.NewServer(), withdraw: func() {}, done: make(chan struct{})}
	statuspb.RegisterRPCStatusServer(s.rpc, s)
	grpc_health_v1.RegisterHealthServer(s.rpc, health.NewServer())
	go func() {
		defer close(s.done)
		_ = s.rpc.Serve(lis)
	}()
	if cfg.Discovery != nil {
		if s.withdraw, err = cfg.Discovery.Publish(ctx, EtcdKey, s.addr); err != nil {
			s.withdraw = func() {}
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return s.addr }

// Close withdraws and stops the server.
func (s *Server) Close() {
	s.withdraw()
	s.rpc.Stop()
	<-s.done
}

// Online returns the entries of a user that have not expired, ordered by key.
func (s *Server) Online(ctx context.Context, userID int64) ([]*statuspb.SessionEntry, error) {
	all, err := s.cfg.Store.List(ctx, userID)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now().Unix()
	all = slices.DeleteFunc(all, func(e *statuspb.SessionEntry) bool { return e.GetExpired() < now })
	slices.SortFunc(all, func(a, b *statuspb.SessionEntry) int { return cmp.Compare(a.GetAuthKeyId(), b.GetAuthKeyId()) })
	return all, nil
}

var (
	errNobody = errors.New("status: user_id or auth_key_id is missing")
	errMany   = errors.New("status: too many users")
)

// StatusSetSessionOnline keeps where a user's key is online.
func (s *Server) StatusSetSessionOnline(ctx context.Context, q *statuspb.TLStatusSetSessionOnline) (*mtproto.Bool, error) {
	e := q.GetSession()
	if q.GetUserId() <= 0 || e.GetAuthKeyId() == 0 {
		return nil, errNobody
	}
	e.UserId = q.GetUserId()
	return done(s.cfg.Store.Put(ctx, e, s.cfg.Expire))
}

// StatusSetSessionOffline forgets a user's key.
func (s *Server) StatusSetSessionOffline(ctx context.Context, q *statuspb.TLStatusSetSessionOffline) (*mtproto.Bool, error) {
	if q.GetUserId() <= 0 || q.GetAuthKeyId() == 0 {
		return nil, errNobody
	}
	return done(s.cfg.Store.Delete(ctx, q.GetUserId(), q.GetAuthKeyId()))
}

// maxUsers bounds one question.
const maxUsers = 1000

// StatusGetUsersOnlineSessionsList returns all entries of some users, those that
// have expired with them, as a stock service does: at most 1000 users.
func (s *Server) StatusGetUsersOnlineSessionsList(ctx context.Context, q *statuspb.TLStatusGetUsersOnlineSessionsList) (*statuspb.Vector_UserSessionEntryList, error) {
	if len(q.GetUsers()) > maxUsers {
		return nil, errMany
	}
	out := &statuspb.Vector_UserSessionEntryList{}
	for _, user := range q.GetUsers() {
		entries, err := s.cfg.Store.List(ctx, user)
		if err != nil {
			return nil, err
		}
		out.Datas = append(out.Datas, &statuspb.UserSessionEntryList{PredicateName: "userSessionEntryList", UserId: user, UserSessions: entries})
	}
	return out, nil
}

func done(err error) (*mtproto.Bool, error) {
	if err != nil {
		return nil, err
	}
	return &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}, nil
}
