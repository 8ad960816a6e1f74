package dispatch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/dhgroup"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/tl"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Strict(m, goleak.IgnoreCurrent()) // go-zero listens for signals from its init on
}

var schema = sync.OnceValue(func() *tl.Schema {
	s, err := tl.Load(tl.Default)
	if err != nil {
		panic(err)
	}
	return s
})

func method(t testing.TB, id uint32) *tl.Method {
	t.Helper()
	m := schema().Method(id)
	require.NotNil(t, m, "%08x", id)
	return m
}

// bff is a BFF whose methods are one function. It knows protobuf only, as the
// stock one does.
type bff struct {
	mu     sync.Mutex
	calls  []string
	header []string
	body   [][]byte
	answer func(path string) (proto.Message, error)
}

func (b *bff) serve(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	md, _ := grpcmetadata.FromIncomingContext(stream.Context())
	var request mtproto.Bool // any message: unknown fields are kept
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	raw, _ := proto.Marshal(&request)
	b.mu.Lock()
	b.calls = append(b.calls, path)
	b.header = append(b.header, md.Get("rpc_metadata")...)
	b.body = append(b.body, raw)
	b.mu.Unlock()
	if ct := md.Get("content-type"); len(ct) != 1 || ct[0] != "application/grpc+proto" && ct[0] != "application/grpc" {
		return status.Errorf(codes.Internal, "content-type %v", ct)
	}
	m, err := b.answer(path)
	if err != nil {
		return err
	}
	return stream.SendMsg(m)
}

func startBFF(t testing.TB, answer func(string) (proto.Message, error)) (*bff, *grpc.ClientConn) {
	b := &bff{answer: answer}
	server := grpc.NewServer(grpc.UnknownServiceHandler(b.serve))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(); server.Stop() })
	return b, conn
}

func newDispatcher(conn grpc.ClientConnInterface, groups ...string) *Dispatcher {
	routes := Routes{}
	for _, g := range groups {
		routes[g] = conn
	}
	return New(Options{
		Schema: schema(), Routes: routes, ServerID: "10.0.0.1:20120",
		Timeout: 5 * time.Second, MediaTimeout: 60 * time.Second, FakeResults: true,
	})
}

const getUsers, getConfig = 0x0d91a548, 0xc4f9186b

func TestInvokePassesBytesThrough(t *testing.T) {
	b, conn := startBFF(t, func(string) (proto.Message, error) {
		return &mtproto.String{PredicateName: "config", V: "reply"}, nil
	})
	d := newDispatcher(conn, "RPCUsers")
	request, _ := proto.Marshal(&mtproto.Bool{PredicateName: "request"})
	got, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers), PB: request, Meta: sess.Meta{
		ClientAddr: "203.0.113.9", AuthKeyID: -1, PermAuthKeyID: -2, SessionID: 3, MsgID: 4, ReceiveTime: 5, UserID: 6,
		Layer: 223, Client: "tdesktop", LangPack: "tdesktop", LangCode: "en",
		Takeout: &sess.Takeout{ID: 7, MinID: 8, MaxID: 9, HasRange: true},
	}})
	require.Nil(t, rpcErr)
	require.Same(t, method(t, getUsers), got.Method)
	require.False(t, got.Pushed)
	want, _ := proto.Marshal(&mtproto.String{PredicateName: "config", V: "reply"})
	require.Equal(t, want, got.PB)
	require.Equal(t, []string{"/mtproto.RPCUsers/users_getUsers"}, b.calls)
	require.Equal(t, request, b.body[0])

	raw, err := base64.StdEncoding.DecodeString(b.header[0])
	require.NoError(t, err)
	var md metadata.RpcMetadata
	require.NoError(t, proto.Unmarshal(raw, &md))
	require.True(t, proto.Equal(&metadata.RpcMetadata{
		ServerId: "10.0.0.1:20120", ClientAddr: "203.0.113.9", AuthId: -1, PermAuthKeyId: -2, SessionId: 3, ClientMsgId: 4,
		ReceiveTime: 5, UserId: 6, Layer: 223, Client: "tdesktop", Langpack: "tdesktop", LangCode: "en",
		Takeout: &metadata.Takeout{Id: 7, Range: &metadata.MessageRange{MinId: 8, MaxId: 9}},
	}, &md), "%v", &md)
}

func TestErrorsAsClientsSeeThem(t *testing.T) {
	e := func(code int32, text string) *sess.RPCError { return &sess.RPCError{Code: code, Message: text} }
	for _, c := range []struct {
		name string
		err  error
		out  outcome
		want *sess.RPCError
	}{
		{"none", nil, answered, nil},
		{"303", status.Error(303, "PHONE_MIGRATE_2"), answered, e(303, "PHONE_MIGRATE_2")},
		{"400", status.Error(400, "PEER_ID_INVALID"), answered, e(400, "PEER_ID_INVALID")},
		{"401", status.Error(401, "SESSION_PASSWORD_NEEDED_777"), answered, e(401, "SESSION_PASSWORD_NEEDED_777")},
		{"403", status.Error(403, "CHAT_WRITE_FORBIDDEN"), answered, e(403, "CHAT_WRITE_FORBIDDEN")},
		{"404", status.Error(404, "NOT_FOUND"), answered, e(404, "NOT_FOUND")},
		{"406", status.Error(406, "UPDATE_APP_TO_LOGIN"), answered, e(406, "UPDATE_APP_TO_LOGIN")},
		{"420", status.Error(420, "FLOOD_WAIT_30"), answered, e(420, "FLOOD_WAIT_30")},
		{"500", status.Error(500, "RPC_CALL_FAIL"), answered, e(500, "RPC_CALL_FAIL")},
		{"700", status.Error(700, "NOTRETURN_CLIENT"), pushed, nil},
		{"700, but no promise", status.Error(700, "MIGRATED_TO_CHANNEL"), answered, &sess.RPCError{Code: 400, Message: "MIGRATED_TO_CHANNEL"}},
		{"unimplemented", status.Error(codes.Unimplemented, "unknown service"), noRoute, nil},
		{"500 in other words", status.Error(500, "sql: no rows"), answered, e(500, "INTERNAL_SERVER_ERROR")},
		{"deadline", status.Error(codes.DeadlineExceeded, "context deadline exceeded"), faulty, e(-503, "Timeout")},
		{"database", status.Error(600, "duplicate entry '+31600000000'"), faultyOnce, e(500, "INTERNAL_SERVER_ERROR")},
		{"timeout code", status.Error(5030000, "Timeout"), faultyOnce, e(-503, "Timeout")},
		{"unknown", status.Error(codes.Unknown, "sql: no rows"), faultyOnce, e(500, "INTERNAL_SERVER_ERROR")},
		{"unknown, in a client's words", status.Error(codes.Unknown, "WORKER_BUSY_TOO_LONG_RETRY"), faultyOnce, e(500, "WORKER_BUSY_TOO_LONG_RETRY")},
		{"load shedding", status.Error(codes.ResourceExhausted, "service overloaded"), faulty, e(500, "INTERNAL_SERVER_ERROR")},
		{"long", status.Error(codes.Unknown, strings.Repeat("A", 1000)), faultyOnce, e(500, "INTERNAL_SERVER_ERROR")},
		{"answer too large", status.Error(codes.ResourceExhausted, "grpc: received message larger than max (4857497 vs. 4194304)"), answered, e(500, "RESPONSE_TOO_LONG")},
		{"answer too large when inflated", status.Error(codes.ResourceExhausted, "grpc: received message after decompression larger than max 4194304"), answered, e(500, "RESPONSE_TOO_LONG")},
		{"answer too large for the BFF to send", status.Error(codes.ResourceExhausted, "grpc: trying to send message larger than max (4857497 vs. 4194304)"), answered, e(500, "RESPONSE_TOO_LONG")},
		{"request too large", status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5000000 vs. 4194304)"), answered, e(400, "INPUT_REQUEST_TOO_LONG")},
		{"no text", status.Error(codes.Aborted, ""), faultyOnce, e(500, "INTERNAL_SERVER_ERROR")},
		{"no status", errors.New("plain"), faultyOnce, e(500, "INTERNAL_SERVER_ERROR")},
		{"panic of the BFF", status.Error(codes.Internal, "panic: runtime error"), faulty, e(500, "INTERNAL_SERVER_ERROR")},
		{"no connection", status.Error(codes.Unavailable, `connection error: desc = "transport: dial tcp 10.0.0.9:20010"`), faulty, e(500, "INTERNAL_SERVER_ERROR")},
		{"breaker of the BFF", status.Error(codes.Unavailable, "circuit breaker is open"), faulty, e(500, "RPC_CALL_FAIL")},
	} {
		out, got := translate(c.err, 5000000)
		require.Equal(t, c.out, out, c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

func TestPushedAnswer(t *testing.T) {
	_, conn := startBFF(t, func(string) (proto.Message, error) { return nil, status.Error(700, "NOTRETURN_CLIENT") })
	got, rpcErr := newDispatcher(conn, "RPCUsers").Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
	require.Nil(t, rpcErr)
	require.True(t, got.Pushed)
}

// What a method that nobody serves is answered, whether there is no entry for
// its group or the BFF behind it knows it not.
func TestNoRoute(t *testing.T) {
	_, conn := startBFF(t, func(string) (proto.Message, error) {
		return nil, status.Error(codes.Unimplemented, "unknown service mtproto.RPCVoipCalls")
	})
	for name, d := range map[string]*Dispatcher{
		"no entry":      newDispatcher(nil),
		"unimplemented": newDispatcher(conn, "RPCVoipCalls", "RPCUsers"),
	} {
		got, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, 0x55451fa9)}) // phone.getCallConfig
		require.Nil(t, rpcErr, name)
		out, err := schema().Encode(nil, got.Method.Reply, got.PB, 223)
		require.NoError(t, err)
		require.Contains(t, string(out), "{}", name)

		_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
		require.Equal(t, &sess.RPCError{Code: 400, Message: "METHOD_NOT_IMPL"}, rpcErr, name)

		d.FakeResults = false
		_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, 0x55451fa9)})
		require.EqualValues(t, 400, rpcErr.Code, name)
	}
	require.Contains(t, advice("RPCUsers"), `"/mtproto.RPCUsers": "bff.bff"`)
}

// An answer of more than 4 MiB was refused in gRPC's words, and sixty of them took
// the method from everybody.
func TestLargeAnswers(t *testing.T) {
	size := 0
	_, conn := startBFF(t, func(string) (proto.Message, error) { return &mtproto.String{V: strings.Repeat("x", size)}, nil })
	d := New(Options{
		Schema: schema(), Routes: Routes{"RPCUsers": conn}, Timeout: time.Minute, MediaTimeout: time.Minute, ReplyBytes: 6 << 20,
	})
	size = 5 << 20
	got, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
	require.Nil(t, rpcErr)
	require.Greater(t, len(got.PB), size)

	size = 7 << 20
	for range 40 {
		_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
		require.Equal(t, &sess.RPCError{Code: 500, Message: "RESPONSE_TOO_LONG"}, rpcErr)
	}
	size = 1
	for range 40 {
		_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
		require.Nil(t, rpcErr)
	}
	request, err := proto.Marshal(&mtproto.String{V: strings.Repeat("x", 5<<20)}) // the BFF takes 4 MiB
	require.NoError(t, err)
	_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers), PB: request})
	require.Equal(t, &sess.RPCError{Code: 400, Message: "INPUT_REQUEST_TOO_LONG"}, rpcErr)
}

func TestTimeouts(t *testing.T) {
	d := newDispatcher(nil)
	for _, name := range []string{"messages.sendMedia", "messages.sendMultiMedia", "messages.uploadMedia", "messages.editMessage"} {
		for _, m := range schema().MethodByName(name) {
			require.Equal(t, time.Minute, d.timeout(m), name)
		}
	}
	require.Equal(t, 5*time.Second, d.timeout(method(t, getUsers)))

	hold := make(chan struct{})
	_, conn := startBFF(t, func(string) (proto.Message, error) { <-hold; return &mtproto.Bool{}, nil })
	defer close(hold)
	d = newDispatcher(conn, "RPCUsers")
	d.Timeout = 20 * time.Millisecond
	_, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
	require.Equal(t, &sess.RPCError{Code: -503, Message: "Timeout"}, rpcErr)
}

func TestAndroidRewrite(t *testing.T) {
	b, conn := startBFF(t, func(string) (proto.Message, error) { return &mtproto.Bool{}, nil })
	d := newDispatcher(conn, "RPCChats", "RPCChannels")
	for _, c := range []struct {
		from, to uint32
		path     string
		fields   []string
	}{
		{0xf24753e3, 0xcbc6d107, "/mtproto.RPCChats/messages_addChatUserCBC6D107", []string{"chat_id", "user_id", "fwd_limit"}},
		{0x0034a818, 0x92ceddd4, "/mtproto.RPCChats/messages_createChat92CEDDD4", []string{"users", "title", "ttl_period"}},
		{0x199f3a6c, 0xc9e33d54, "/mtproto.RPCChannels/channels_inviteToChannelC9E33D54", []string{"channel", "users"}},
	} {
		from := method(t, c.from)
		request := appendConstructor(nil, c.from)
		for _, name := range c.fields {
			n, ok := schema().FieldNumber(from.Request.Name(), name)
			require.True(t, ok, name)
			request = protowire.AppendTag(request, protowire.Number(n), protowire.BytesType)
			request = protowire.AppendString(request, name)
		}
		for _, v := range []struct {
			client    string
			layer     int32
			rewritten bool
		}{{"android", 177, true}, {"android", 176, false}, {"react", 200, false}} {
			b.calls, b.body = nil, nil
			got, rpcErr := d.Invoke(&sess.InvokeMethod{Method: from, PB: slices.Clone(request), Meta: sess.Meta{Client: v.client, Layer: v.layer}})
			require.Nil(t, rpcErr)
			if !v.rewritten {
				require.Same(t, from, got.Method)
				require.Equal(t, request, b.body[0])
				continue
			}
			require.Same(t, method(t, c.to), got.Method)
			require.Equal(t, "messages.InvitedUsers", got.Method.Result)
			require.Equal(t, []string{c.path}, b.calls)
			want := appendConstructor(nil, c.to)
			for _, name := range c.fields {
				n, _ := schema().FieldNumber(got.Method.Request.Name(), name)
				want = protowire.AppendTag(want, protowire.Number(n), protowire.BytesType)
				want = protowire.AppendString(want, name)
			}
			require.Equal(t, want, b.body[0])
		}
	}
}

// Every fake result is an answer that a client of any layer can read.
func TestFakeResults(t *testing.T) {
	d := newDispatcher(nil)
	for name := range fakes {
		methods := schema().MethodByName(name)
		require.NotEmpty(t, methods, name)
		for _, m := range methods {
			request := appendConstructor(nil, m.ID)
			if n, ok := schema().FieldNumber(m.Request.Name(), "lang_code"); ok {
				request = protowire.AppendTag(request, protowire.Number(n), protowire.BytesType)
				request = protowire.AppendString(request, "nl")
			}
			if n, ok := schema().FieldNumber(m.Request.Name(), "from_version"); ok {
				request = protowire.AppendTag(request, protowire.Number(n), protowire.VarintType)
				request = protowire.AppendVarint(request, 42)
			}
			got, rpcErr := d.Invoke(&sess.InvokeMethod{Method: m, PB: request})
			require.Nil(t, rpcErr, name)
			for _, layer := range []int{150, 200, 223} {
				out, err := schema().Encode(nil, m.Reply, got.PB, layer)
				require.NoError(t, err, "%s layer %d", name, layer)
				require.NotEmpty(t, out)
				if name == "langpack.getDifference" {
					require.Equal(t, "f6c185f3"+"026e6c00"+"2a000000"+"2a000000"+"15c4b51c"+"00000000", fmt.Sprintf("%x", out))
				}
			}
		}
	}
}

func TestFakePasswordHasEverything(t *testing.T) {
	got, rpcErr := newDispatcher(nil).Invoke(&sess.InvokeMethod{Method: method(t, 0x548a30f5)})
	require.Nil(t, rpcErr)
	out, err := schema().Encode(nil, got.Method.Reply, got.PB, 223)
	require.NoError(t, err)
	require.Greater(t, len(out), 256+256+8+16)
	require.Contains(t, string(out), string(dhgroup.Prime.Bytes()))
}

var published = strings.Fields(`RPCTos RPCConfiguration RPCQrcode RPCMiscellaneous RPCAuthorization RPCPremium RPCChatInvites
	RPCChats RPCFiles RPCUpdates RPCContacts RPCDialogs RPCDrafts RPCAutodownload RPCMessages RPCNotification RPCUsers RPCNsfw
	RPCSponsoredMessages RPCAccount RPCPassport RPCUsernames RPCSavedMessageDialogs RPCPrivacySettings RPCUserChannelProfiles
	RPCPasskey RPCVoipCalls`)

func TestRoutes(t *testing.T) {
	client := &grpc.ClientConn{}
	clients := map[string]grpc.ClientConnInterface{"bff.bff": client}

	t.Run("published groups", func(t *testing.T) {
		require.Len(t, published, 27)
		idMap := map[string]string{}
		for _, g := range published {
			idMap["/mtproto."+g] = "bff.bff"
		}
		routes, warnings := NewRoutes(schema().Groups(), idMap, clients)
		require.Empty(t, warnings)
		require.Len(t, routes, 27)
		for _, g := range []string{"RPCAutoDownload", "RPCQrCode"} { // the spellings of the wire
			require.Same(t, client, routes[g], g)
		}
	})
	t.Run("a name is not a prefix", func(t *testing.T) {
		routes, _ := NewRoutes(schema().Groups(), map[string]string{"/mtproto.RPCEmoji": "bff.bff", "/mtproto.RPCBotMenu": "bff.bff"}, clients)
		require.Equal(t, []string{"RPCBotMenu", "RPCEmoji"}, routes.Groups())
	})
	t.Run("unknown group", func(t *testing.T) {
		routes, warnings := NewRoutes(schema().Groups(), map[string]string{"/mtproto.RPCTranslate": "bff.bff"}, clients)
		require.Empty(t, routes)
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], "/mtproto.RPCTranslation")
	})
	// Weakness 20: a value without a client was a panic at call time.
	t.Run("value without a client", func(t *testing.T) {
		routes, warnings := NewRoutes(schema().Groups(), map[string]string{"/mtproto.RPCUsers": "bff.bf"}, clients)
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], "bff.bff")
		d := New(Options{Schema: schema(), Routes: routes})
		_, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers)})
		require.Equal(t, errNotImplemented, rpcErr)
	})
}

func BenchmarkInvoke(b *testing.B) {
	_, conn := startBFF(b, func(string) (proto.Message, error) { return &mtproto.Bool{PredicateName: "boolTrue"}, nil })
	d := newDispatcher(conn, "RPCUsers")
	m := method(b, getUsers)
	request := make([]byte, 0, 64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, rpcErr := d.Invoke(&sess.InvokeMethod{Method: m, PB: request}); rpcErr != nil {
				b.Error(rpcErr)
			}
		}
	})
}
