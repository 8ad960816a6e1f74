package authsession

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/client"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func TestMain(m *testing.M) { leaktest.Main(m, "authsession.serveBare") }

// serve starts the service in this process, without etcd unless more of the
// configuration says so, and returns a client as session has it.
func serve(t testing.TB, more ...string) *client.Client {
	t.Helper()
	_, c := serveOn(t, testenv.DSN(t, false), more...)
	return c
}

// serveOn does so on a database.
func serveOn(t testing.TB, dsn string, more ...string) (*Server, *client.Client) {
	t.Helper()
	s := prepared(t, dsn, more...)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	var conf zrpc.RpcClientConf
	require.NoError(t, zconf.FillDefault(&conf))
	conf.Endpoints = []string{s.config.ListenOn}
	cli, err := zrpc.NewClient(conf)
	require.NoError(t, err)
	t.Cleanup(func() { cli.Conn().Close() })
	return s, client.New(cli)
}

// prepared is a service that is not started yet.
func prepared(t testing.TB, dsn string, more ...string) *Server {
	t.Helper()
	redis := testenv.Variable(t, "TEST_REDIS_ADDR")
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes(fmt.Appendf(nil, `
Name: test.authsession
Mode: test
Log: {Level: severe, Stat: false}
ListenOn: %q
Mysql: {DSN: %q}
Cache: [{Host: %q}]
KV: [{Host: %q}]
%s
`, freeport.Address(t), dsn, redis, redis, strings.Join(more, "\n")), &c))
	s, err := New(c)
	require.NoError(t, err)
	return s
}

// Every call of both services has a handler: none is Unimplemented, none
// panics on an empty request, and what is refused has one of our codes.
func TestEveryCallIsServed(t *testing.T) {
	c := serve(t)
	calls := 0
	for _, service := range []any{c.RPCAuthsessionClient, c.Manager} {
		v := reflect.ValueOf(service)
		for i := range v.NumMethod() {
			method := v.Type().Method(i)
			calls++
			in := reflect.New(method.Type.In(2).Elem())
			out := v.Method(i).Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
			if err, _ := out[1].Interface().(error); err != nil {
				code := status.Code(err)
				require.True(t, code == 400 || code == 401, "%s: %v", method.Name, err)
			}
		}
	}
	require.Equal(t, 21+12, calls)
}

// The gateway compares the whole status, details included.
func TestStatusesArriveWhole(t *testing.T) {
	c := serve(t)
	_, err := c.AuthsessionQueryAuthKey(t.Context(), &pb.TLAuthsessionQueryAuthKey{AuthKeyId: 5})
	require.True(t, proto.Equal(status.New(codes.Code(401), "AUTH_KEY_UNREGISTERED").Proto(), status.Convert(err).Proto()), "%v", err)
}

// rpc_metadata reaches the checks of a bind as session sends it.
func TestABindIsTiedToTheMetadataOfItsCall(t *testing.T) {
	c := serve(t)
	var keys [2]crypto.AuthKey
	for i := range keys {
		var k crypto.Key
		_, err := crypto.DefaultRand().Read(k[:])
		require.NoError(t, err)
		keys[i] = k.WithID()
		ok, err := c.AuthsessionSetAuthKey(t.Context(), &pb.TLAuthsessionSetAuthKey{
			AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: keys[i].IntID(), AuthKey: k[:], AuthKeyType: int32(i)},
		})
		require.NoError(t, err)
		require.Equal(t, "boolTrue", ok.PredicateName)
	}
	expiresAt := int32(time.Now().Unix() + 86400)
	inner := &crypto.BindAuthKeyInner{Nonce: 1, PermAuthKeyID: keys[0].IntID(), TempAuthKeyID: keys[1].IntID(), TempSessionID: 33, ExpiresAt: int(expiresAt)}
	message, err := crypto.EncryptBindMessage(nil, keys[0], 44, inner)
	require.NoError(t, err)
	bind := func(md *metadata.RpcMetadata) error {
		raw, err := proto.Marshal(md)
		require.NoError(t, err)
		ctx := grpcmetadata.AppendToOutgoingContext(t.Context(), "rpc_metadata", base64.StdEncoding.EncodeToString(raw))
		_, err = c.AuthsessionBindTempAuthKey(ctx, &pb.TLAuthsessionBindTempAuthKey{
			PermAuthKeyId: keys[0].IntID(), Nonce: 1, ExpiresAt: expiresAt, EncryptedMessage: message,
		})
		return err
	}
	err = bind(&metadata.RpcMetadata{AuthId: keys[1].IntID(), SessionId: 34, ClientMsgId: 44})
	require.ErrorContains(t, err, "ENCRYPTED_MESSAGE_INVALID")
	require.NoError(t, bind(&metadata.RpcMetadata{AuthId: keys[1].IntID(), SessionId: 33, ClientMsgId: 44}))
	var trailer grpcmetadata.MD
	_, err = c.AuthsessionGetPermAuthKeyId(t.Context(), &pb.TLAuthsessionGetPermAuthKeyId{AuthKeyId: keys[1].IntID()}, grpc.Trailer(&trailer))
	require.NoError(t, err)
	require.EqualValues(t, expiresAt, keyexpiry.Read(trailer), "and its end comes with answers about the key")
}

// The session nodes that etcd lists hear of ended logins within the call.
func TestARevocationReachesTheSessionNodes(t *testing.T) {
	hosts := strings.Split(testenv.Variable(t, "TEST_ETCD_ENDPOINTS"), ",")
	name := fmt.Sprintf("test.revoked.%d", time.Now().UnixNano())
	sessions := testenv.NewSessionNode(t)
	publisher := discov.NewPublisher(hosts, name+".session", sessions.Address)
	require.NoError(t, publisher.KeepAlive())
	t.Cleanup(publisher.Stop)
	c := serve(t, fmt.Sprintf("Etcd: {Hosts: [%s], Key: %s}\nSessionNodes: {Etcd: {Key: %s.session}}", strings.Join(hosts, ","), name, name))
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(t, err)
	id := k.WithID().IntID()
	_, err = c.AuthsessionSetAuthKey(t.Context(), &pb.TLAuthsessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: id, AuthKey: k[:]}})
	require.NoError(t, err)
	_, err = c.AuthsessionBindAuthKeyUser(t.Context(), &pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: id, UserId: 777})
	require.NoError(t, err)
	ended, err := c.AuthsessionResetAuthorization(t.Context(), &pb.TLAuthsessionResetAuthorization{UserId: 777})
	require.NoError(t, err)
	require.Equal(t, []int64{id}, ended.Datas)
	require.Equal(t, []testenv.Ended{{AuthKeyID: id, UserID: 777}}, sessions.Told())
}

// go-zero's client logs slow calls with what they answered.
func TestTheClientLogsNoKeys(t *testing.T) {
	c := serve(t)
	zrpc.SetClientSlowThreshold(time.Nanosecond)
	defer zrpc.SetClientSlowThreshold(500 * time.Millisecond)
	var log lockedBuffer
	logx.SetLevel(logx.InfoLevel)
	former := logx.Reset()
	logx.SetWriter(logx.NewWriter(&log))
	defer func() {
		logx.Reset()
		logx.SetWriter(former)
	}()
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(t, err)
	copy(k[:], "plain to see")
	id := k.WithID().IntID()
	_, err = c.AuthsessionSetAuthKey(t.Context(), &pb.TLAuthsessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: id, AuthKey: k[:]}})
	require.NoError(t, err)
	_, err = c.AuthsessionQueryAuthKey(t.Context(), &pb.TLAuthsessionQueryAuthKey{AuthKeyId: id})
	require.NoError(t, err)
	s, err := c.AuthsessionGetFutureSalts(t.Context(), &pb.TLAuthsessionGetFutureSalts{AuthKeyId: id, Num: 2})
	require.NoError(t, err)
	text := log.String()
	require.Contains(t, text, "authsession_queryAuthKey", "slow calls are in the log")
	require.NotContains(t, text, "plain to see")
	require.NotContains(t, text, fmt.Sprint(s.Salts[0].Data2.Salt))
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Stock answers with keys to whoever asks. Peers send no credentials, but come
// from known hosts.
func TestWeakness13CallsOfStrangersAreRefused(t *testing.T) {
	for networks, want := range map[string]codes.Code{
		"[]":             401, // the key is not known
		"[127.0.0.0/8]":  401,
		"[192.0.2.0/24]": codes.PermissionDenied,
	} {
		_, err := serve(t, "AllowPeers: "+networks).AuthsessionQueryAuthKey(t.Context(), &pb.TLAuthsessionQueryAuthKey{AuthKeyId: 5})
		require.Equal(t, want, status.Code(err), networks)
	}
}
