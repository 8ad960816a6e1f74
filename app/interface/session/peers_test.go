package session

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/service"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

// cluster is the peers of session nodes: authsession, status, one gateway and
// one BFF, all played by the test behind real gRPC.
type cluster struct {
	t    testing.TB
	auth *authRole
	stat *statusRole
	gate *gatewayRole
	bff  *bffRole
	addr map[string]string

	lease nodecluster.Lease // of nodes that start from now on; nil: their own
}

func startCluster(t testing.TB) *cluster {
	c := &cluster{
		t: t, addr: map[string]string{},
		auth: &authRole{keys: map[int64]*mtproto.AuthKeyInfo{}, users: map[int64]int64{}},
		stat: &statusRole{online: map[int64]string{}, keys: map[int64]int64{}},
		gate: &gatewayRole{},
		bff:  &bffRole{answers: map[string]func(context.Context) ([]byte, error){}},
	}
	c.serve("authsession", func(g *grpc.Server) { authsession.RegisterRPCAuthsessionServer(g, c.auth) })
	c.serve("status", func(g *grpc.Server) { statuspb.RegisterRPCStatusServer(g, c.stat) })
	c.serve("gateway", func(g *grpc.Server) { gateway.RegisterRPCGatewayServer(g, c.gate) })
	c.serve("bff", func(*grpc.Server) {}, grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(c.bff.serve))
	return c
}

func (c *cluster) serve(name string, register func(*grpc.Server), opts ...grpc.ServerOption) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(c.t, err)
	g := grpc.NewServer(opts...)
	register(g)
	go func() { _ = g.Serve(listener) }()
	c.t.Cleanup(g.Stop)
	c.addr[name] = listener.Addr().String()
}

func clientConf(addr string) zrpc.RpcClientConf {
	return zrpc.RpcClientConf{Endpoints: []string{addr}, NonBlock: true, Timeout: 2000}
}

// config is that of a node without etcd.
func (c *cluster) config() Config {
	conf := Config{
		RpcServerConf: zrpc.RpcServerConf{ServiceConf: service.ServiceConf{Name: "interface.session", Mode: service.TestMode}},
		AuthSession:   clientConf(c.addr["authsession"]),
		StatusClient:  clientConf(c.addr["status"]),
		GatewayClient: clientConf(c.addr["gateway"]),
		FakeResults:   true,
	}
	conf.Log.Mode, conf.Log.Encoding, conf.Log.Level = "console", "plain", "severe"
	conf.Log.Stat = false
	conf.ListenOn = freeport.Address(c.t)
	conf.Timeout = 2000
	conf.Etcd = discov.EtcdConf{}
	conf.BFFProxyClients.Clients = []zrpc.RpcClientConf{clientConf(c.addr["bff"])}
	conf.BFFProxyClients.IDMap = map[string]string{}
	for _, g := range []string{"RPCUsers", "RPCConfiguration", "RPCAuthorization", "RPCUpdates"} {
		conf.BFFProxyClients.IDMap["/mtproto."+g] = c.addr["bff"]
	}
	return conf
}

// node is a running session node with a connection to it.
type node struct {
	*Service
	rpc    session.RPCSessionClient
	stream session.RPCSessionStreamClient
	stop   func()
}

func (c *cluster) start(change ...func(*Config)) *node {
	conf := c.config()
	for _, f := range change {
		f(&conf)
	}
	s, err := New(conf)
	require.NoError(c.t, err)
	if c.lease != nil {
		s.svc.Cluster.Lease = c.lease
	}
	require.NoError(c.t, s.Start(c.t.Context()))
	conn, err := grpc.NewClient(s.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(c.t, err)
	n := &node{Service: s, rpc: session.NewRPCSessionClient(conn), stream: session.NewRPCSessionStreamClient(conn)}
	var once sync.Once
	n.stop = func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			require.NoError(c.t, s.Stop(ctx))
			_ = conn.Close()
		})
	}
	c.t.Cleanup(n.stop)
	return n
}

// authRole is a stock authsession: without the calls of our own.
type authRole struct {
	authsession.UnimplementedRPCAuthsessionServer
	mu    sync.Mutex
	keys  map[int64]*mtproto.AuthKeyInfo
	users map[int64]int64 // by perm key
	err   error           // answers everything
	slow  int64           // this key's lookups wait
	hold  chan struct{}
	reads int // of auth states
}

func (a *authRole) add(id int64, kind int32, perm int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kind == 0 {
		perm = id
	}
	a.keys[id] = &mtproto.AuthKeyInfo{PredicateName: "authKeyInfo", AuthKeyId: id, AuthKey: make([]byte, 256), AuthKeyType: kind, PermAuthKeyId: perm}
	return id
}

// logOut ends the login of a perm key.
func (a *authRole) logOut(perm int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.users, perm)
}

func (a *authRole) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *authRole) find(ctx context.Context, id int64) (*mtproto.AuthKeyInfo, error) {
	a.mu.Lock()
	k, err, slow, hold := a.keys[id], a.err, a.slow, a.hold
	a.mu.Unlock()
	if id == slow && hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case k == nil:
		return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
	}
	return k, nil
}

func (a *authRole) AuthsessionQueryAuthKey(ctx context.Context, in *authsession.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	return a.find(ctx, in.AuthKeyId)
}

func (a *authRole) AuthsessionGetPermAuthKeyId(ctx context.Context, in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	k, err := a.find(ctx, in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	if k.PermAuthKeyId == 0 {
		return nil, status.Error(401, "AUTH_KEY_PERM_EMPTY")
	}
	return &mtproto.Int64{V: k.PermAuthKeyId}, nil
}

func (a *authRole) AuthsessionGetAuthStateData(ctx context.Context, in *authsession.TLAuthsessionGetAuthStateData) (*authsession.AuthKeyStateData, error) {
	k, err := a.find(ctx, in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	user := a.users[k.PermAuthKeyId]
	state := int32(4)
	if user != 0 {
		state = 6
	}
	return &authsession.AuthKeyStateData{AuthKeyId: in.AuthKeyId, KeyState: state, UserId: user, Client: &authsession.ClientSession{Layer: 223}}, nil
}

const salt = 0x0123456789abcdef

func (a *authRole) AuthsessionGetFutureSalts(ctx context.Context, in *authsession.TLAuthsessionGetFutureSalts) (*mtproto.FutureSalts, error) {
	if _, err := a.find(ctx, in.AuthKeyId); err != nil {
		return nil, err
	}
	now := int32(time.Now().Unix())
	out := &mtproto.FutureSalts{}
	for i := range int32(3) {
		out.Salts = append(out.Salts, &mtproto.TLFutureSalt{Data2: &mtproto.FutureSalt{
			ValidSince: now + i*1800, ValidUntil: now + (i+1)*1800, Salt: salt + int64(i),
		}})
	}
	return out, nil
}

func (a *authRole) AuthsessionSetAuthKey(context.Context, *authsession.TLAuthsessionSetAuthKey) (*mtproto.Bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &mtproto.Bool{PredicateName: "boolTrue"}, a.err
}

func (a *authRole) AuthsessionSetLayer(context.Context, *authsession.TLAuthsessionSetLayer) (*mtproto.Bool, error) {
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// statusRole remembers who is online.
type statusRole struct {
	statuspb.UnimplementedRPCStatusServer
	mu      sync.Mutex
	online  map[int64]string // user to node
	keys    map[int64]int64  // user to key
	offline int
	delay   time.Duration
	asked   int  // who is online
	down    bool // it refuses everything
}

func (s *statusRole) StatusSetSessionOnline(_ context.Context, in *statuspb.TLStatusSetSessionOnline) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, status.Error(codes.Unavailable, "down")
	}
	s.online[in.UserId], s.keys[in.UserId] = in.GetSession().GetGateway(), in.GetSession().GetAuthKeyId()
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (s *statusRole) StatusGetUsersOnlineSessionsList(_ context.Context, in *statuspb.TLStatusGetUsersOnlineSessionsList) (*statuspb.Vector_UserSessionEntryList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, status.Error(codes.Unavailable, "down")
	}
	s.asked++
	out := &statuspb.Vector_UserSessionEntryList{}
	for _, user := range in.GetUsers() {
		list := &statuspb.UserSessionEntryList{UserId: user}
		if node := s.online[user]; node != "" {
			list.UserSessions = append(list.UserSessions, &statuspb.SessionEntry{UserId: user, AuthKeyId: s.keys[user], Gateway: node})
		}
		out.Datas = append(out.Datas, list)
	}
	return out, nil
}

// put makes an entry as another node would.
func (s *statusRole) put(user, key int64, node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.online[user], s.keys[user] = node, key
}

// flush forgets everything.
func (s *statusRole) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.online)
}

func (s *statusRole) fail(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *statusRole) StatusSetSessionOffline(_ context.Context, in *statuspb.TLStatusSetSessionOffline) (*mtproto.Bool, error) {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.online, in.UserId)
	s.offline++
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (s *statusRole) node(user int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.online[user]
}

// gatewayRole collects packets for clients.
type gatewayRole struct {
	gateway.UnimplementedRPCGatewayServer
	mu      sync.Mutex
	packets []*gateway.TLGatewaySendDataToGateway
}

func (g *gatewayRole) GatewaySendDataToGateway(_ context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.packets = append(g.packets, in)
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// bffRole answers methods by path.
type bffRole struct {
	mu      sync.Mutex
	answers map[string]func(context.Context) ([]byte, error)
	seen    []string
}

func (b *bffRole) on(path string, f func(context.Context) ([]byte, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[path] = f
}

func (b *bffRole) count(path string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.seen {
		if p == path {
			n++
		}
	}
	return n
}

func (b *bffRole) serve(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	var in passthrough.Frame
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	b.mu.Lock()
	b.seen = append(b.seen, path)
	f := b.answers[path]
	b.mu.Unlock()
	if f == nil {
		return status.Error(codes.Unimplemented, path)
	}
	out, err := f(stream.Context())
	if err != nil {
		return err
	}
	return stream.SendMsg(passthrough.Frame(out))
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
