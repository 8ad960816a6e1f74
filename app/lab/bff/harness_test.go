package bff

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/status"
	"github.com/tgsession/tgsession/proto/tl"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Strict(m, goleak.IgnoreCurrent()) // go-zero's own live as long as the process
}

// release is compiled once for all tests.
var release = sync.OnceValues(func() (*tl.Schema, error) { return tl.Load(tl.Default) })

// world is a BFF with the peers it calls.
type world struct {
	bff    *Server
	auth   *fakeAuthSession
	online *fakeStatus
	conn   *grpc.ClientConn
	schema *tl.Schema
}

// newWorld starts a BFF whose pushes go to the given session nodes.
func newWorld(t *testing.T, cfg Config, nodes ...*fakeSession) *world {
	t.Helper()
	w := &world{auth: newFakeAuthSession(), online: &fakeStatus{}}
	authAddr := serve(t, func(s *grpc.Server) { authsession.RegisterRPCAuthsessionServer(s, w.auth) })
	cfg.AuthSession = zrpc.RpcClientConf{Endpoints: []string{authAddr}, Timeout: 2000}
	cfg.Online = w.online.entries
	for _, n := range nodes {
		cfg.Sessions = append(cfg.Sessions, n.addr)
	}
	var err error
	w.schema, err = release()
	require.NoError(t, err)
	w.bff, err = New(cfg)
	require.NoError(t, err)
	t.Cleanup(w.bff.Stop)
	require.NoError(t, w.bff.Start(t.Context()))

	w.conn, err = grpc.NewClient(w.bff.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(passthrough.Codec)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.conn.Close() })
	return w
}

// client is a device as session presents it: a key and the user bound to it.
type client struct {
	*tg.Client
	w    *world
	key  int64
	user int64
}

func (w *world) client(key int64) *client {
	d := &client{w: w, key: key}
	d.Client = tg.NewClient(d)
	return d
}

// Invoke does what session does between a client and a BFF.
func (d *client) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	var query bin.Buffer
	if err := in.Encode(&query); err != nil {
		return err
	}
	pb, method, _, err := d.w.schema.DecodeRequest(nil, query.Buf, tl.MaxOutput)
	if err != nil {
		return err
	}
	reply, err := d.invoke(ctx, method.Path, pb)
	if err != nil {
		return err
	}
	answer, err := d.w.schema.Encode(nil, method.Reply, reply, tg.Layer)
	if err != nil {
		return err
	}
	return out.Decode(&bin.Buffer{Buf: answer})
}

func (d *client) invoke(ctx context.Context, path string, pb []byte) ([]byte, error) {
	header, err := proto.Marshal(&metadata.RpcMetadata{
		ServerId: "127.0.0.1:20120", AuthId: d.key + 1, PermAuthKeyId: d.key, UserId: d.user, Layer: tg.Layer,
	})
	if err != nil {
		return nil, err
	}
	ctx = grpcmetadata.AppendToOutgoingContext(ctx, metadataHeader, base64.StdEncoding.EncodeToString(header))
	request, reply := passthrough.Frame(pb), passthrough.Frame(nil)
	if err := d.w.conn.Invoke(ctx, path, &request, &reply); err != nil {
		if s := grpcstatus.Convert(err); s.Code() > codes.Unauthenticated {
			return nil, tgerr.New(int(s.Code()), s.Message())
		}
		return nil, err
	}
	return reply, nil
}

// logIn signs phone in, and up under name when there is no account.
func (d *client) logIn(t *testing.T, phone, name string) *tg.User {
	t.Helper()
	sent, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: phone})
	require.NoError(t, err)
	require.IsType(t, (*tg.AuthSentCode)(nil), sent)
	hash := sent.(*tg.AuthSentCode).PhoneCodeHash
	auth, err := d.AuthSignIn(t.Context(), &tg.AuthSignInRequest{PhoneNumber: phone, PhoneCodeHash: hash, PhoneCode: DefaultCode})
	require.NoError(t, err)
	if _, ok := auth.(*tg.AuthAuthorizationSignUpRequired); ok {
		auth, err = d.AuthSignUp(t.Context(), &tg.AuthSignUpRequest{PhoneNumber: phone, PhoneCodeHash: hash, FirstName: name})
		require.NoError(t, err)
	}
	require.IsType(t, (*tg.AuthAuthorization)(nil), auth)
	user, ok := auth.(*tg.AuthAuthorization).User.AsNotEmpty()
	require.True(t, ok)
	d.user = user.ID // what session learns from the answer
	return user
}

// requireRPCError asserts the error that a client would see.
func requireRPCError(t *testing.T, err error, code int, message string) {
	t.Helper()
	var rpc *tgerr.Error
	require.ErrorAs(t, err, &rpc)
	require.Equal(t, fmt.Sprint(code, " ", message), fmt.Sprint(rpc.Code, " ", rpc.Message))
}

// fakeAuthSession keeps logins the way authsession does.
type fakeAuthSession struct {
	authsession.UnimplementedRPCAuthsessionServer
	mu     sync.Mutex
	logins []bound
	fail   error
}

type bound struct{ key, user, hash int64 }

func newFakeAuthSession() *fakeAuthSession { return &fakeAuthSession{} }

func (f *fakeAuthSession) failing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fakeAuthSession) userOf(key int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.logins {
		if l.key == key {
			return l.user
		}
	}
	return 0
}

func (f *fakeAuthSession) AuthsessionBindAuthKeyUser(_ context.Context, in *authsession.TLAuthsessionBindAuthKeyUser) (*mtproto.Int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	f.logins = append(f.logins, bound{in.AuthKeyId, in.UserId, in.AuthKeyId * 7})
	return &mtproto.Int64{V: in.AuthKeyId * 7}, nil
}

func (f *fakeAuthSession) AuthsessionUnbindAuthKeyUser(_ context.Context, in *authsession.TLAuthsessionUnbindAuthKeyUser) (*mtproto.Bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins = slices.DeleteFunc(f.logins, func(l bound) bool { return l.key == in.AuthKeyId && l.user == in.UserId })
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (f *fakeAuthSession) AuthsessionGetAuthorizations(_ context.Context, in *authsession.TLAuthsessionGetAuthorizations) (*mtproto.Account_Authorizations, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &mtproto.Account_Authorizations{PredicateName: "account_authorizations"}
	for _, l := range f.logins {
		if l.user != in.UserId {
			continue
		}
		a := &mtproto.Authorization{PredicateName: "authorization", OfficialApp: true, Hash: l.hash, DeviceModel: fmt.Sprint("key ", l.key), ApiId: 4}
		if l.key == in.ExcludeAuthKeyId {
			a.Current, a.Hash = true, 0
		}
		out.Authorizations = append(out.Authorizations, a)
	}
	return out, nil
}

func (f *fakeAuthSession) AuthsessionResetAuthorization(_ context.Context, in *authsession.TLAuthsessionResetAuthorization) (*authsession.Vector_Long, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	out := &authsession.Vector_Long{}
	f.logins = slices.DeleteFunc(f.logins, func(l bound) bool {
		ends := l.user == in.UserId && l.key != in.AuthKeyId && (in.Hash == 0 || in.Hash == l.hash)
		if ends {
			out.Datas = append(out.Datas, l.key)
		}
		return ends
	})
	return out, nil
}

// fakeStatus is who is online where.
type fakeStatus struct {
	mu   sync.Mutex
	list []*status.SessionEntry
}

func (f *fakeStatus) set(user, key int64, node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &status.SessionEntry{UserId: user, AuthKeyId: key, PermAuthKeyId: key, Gateway: node})
}

func (f *fakeStatus) entries(_ context.Context, user int64) ([]*status.SessionEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*status.SessionEntry
	for _, e := range f.list {
		if e.UserId == user {
			out = append(out, e)
		}
	}
	return out, nil
}

// fakeSession is a session node that keeps the pushes it gets.
type fakeSession struct {
	session.UnimplementedRPCSessionServer
	session.UnimplementedRPCSessionStreamServer
	addr   string
	pushes chan pushed
}

type pushed struct {
	key      int64
	updates  []byte
	streamed bool
}

func newFakeSession(t *testing.T) *fakeSession {
	f := &fakeSession{pushes: make(chan pushed, 64)}
	f.addr = serve(t, f.register)
	return f
}

func (f *fakeSession) register(s *grpc.Server) {
	session.RegisterRPCSessionServer(s, f)
	session.RegisterRPCSessionStreamServer(s, f)
}

func (f *fakeSession) SessionPushUpdatesData(_ context.Context, in *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	f.pushes <- pushed{key: in.PermAuthKeyId, updates: in.Updates}
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (f *fakeSession) SessionDataStream(stream session.RPCSessionStream_SessionDataStreamServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return err
		}
		u := in.GetPushUpdates()
		f.pushes <- pushed{key: u.GetPermAuthKeyId(), updates: u.GetUpdates(), streamed: true}
		err = stream.Send(&session.SessionStreamResponse{
			RequestId: in.RequestId,
			Payload:   &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}},
		})
		if err != nil {
			return err
		}
	}
}

// next waits for a push.
func (f *fakeSession) next(t *testing.T) pushed {
	t.Helper()
	select {
	case p := <-f.pushes:
		return p
	case <-time.After(10 * time.Second):
		require.FailNow(t, "no push arrived")
		return pushed{}
	}
}

// serve runs a gRPC server on loopback.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	addr, _ := serveAt(t, "127.0.0.1:0", register)
	return addr
}

// serveAt does so at an address; kill ends it at once, with its connections.
func serveAt(t *testing.T, addr string, register func(*grpc.Server)) (_ string, kill func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	s := grpc.NewServer()
	register(s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	kill = func() { s.Stop(); <-done }
	t.Cleanup(kill)
	return l.Addr().String(), kill
}
