package session

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/logx/logtest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	permA, permB = 0x0a0a0a0a0a0a, 0x0b0b0b0b0b0b
	tempT        = 0x7171717171
)

func (n *node) send(t testing.TB, d *device, body []byte) int64 {
	t.Helper()
	data, id := d.data(body)
	_, err := n.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	require.NoError(t, err)
	return id
}

// login makes a user's device, online.
func (c *cluster) login(n *node, perm, user int64) *device {
	c.auth.add(perm, 0, 0)
	c.auth.mu.Lock()
	c.auth.users[perm] = user
	c.auth.mu.Unlock()
	c.bff.on("/mtproto.RPCUpdates/updates_getState", func(context.Context) ([]byte, error) {
		return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updates_state"), nil
	})
	d := c.device(perm, 0, perm)
	d.result(n.send(c.t, d, getState))
	return d
}

func requireError(t testing.TB, result []byte, code int, text string) {
	t.Helper()
	require.EqualValues(t, rpcError, binary.LittleEndian.Uint32(result))
	require.EqualValues(t, code, binary.LittleEndian.Uint32(result[4:]))
	require.Equal(t, text, string(result[9:9+result[8]]))
}

func requireStatus(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	s := status.Convert(err)
	require.Equal(t, code, s.Code(), "%v", err)
	require.Equal(t, text, s.Message())
	require.Empty(t, s.Details(), "gateways compare the whole status")
}

func TestPacketsAndAnswers(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	d := c.login(n, permA, 77)
	id := n.send(t, d, ping)
	m := d.await("pong", func(m message) bool { return m.constructor() == pong })
	require.Equal(t, id, int64(binary.LittleEndian.Uint64(m.body[4:])))
	eventually(t, "online in status", func() bool { return c.stat.node(77) == n.Address() })
}

// A null part of a request, an unknown key, an authsession that is away: what
// gateways get (weaknesses 52 and 53: never a status that evicts the node).
func TestStatuses(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	ctx := t.Context()
	d := c.device(0x999, 1, permA)
	data, _ := d.data(ping)

	for name, call := range map[string]func() error{
		"data": func() error {
			_, err := n.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{})
			return err
		},
		"http": func() error {
			_, err := n.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{})
			return err
		},
		"create": func() error { _, err := n.rpc.SessionCreateSession(ctx, &session.TLSessionCreateSession{}); return err },
		"close":  func() error { _, err := n.rpc.SessionCloseSession(ctx, &session.TLSessionCloseSession{}); return err },
		"setKey": func() error { _, err := n.rpc.SessionSetAuthKey(ctx, &session.TLSessionSetAuthKey{}); return err },
	} {
		t.Run(name, func(t *testing.T) { requireStatus(t, call(), 400, "INPUT_REQUEST_INVALID") })
	}

	_, err := n.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
	requireStatus(t, err, 401, "AUTH_KEY_UNREGISTERED")
	_, err = n.rpc.SessionQueryAuthKey(ctx, &session.TLSessionQueryAuthKey{AuthKeyId: 0x999})
	requireStatus(t, err, 401, "AUTH_KEY_UNREGISTERED")

	for i, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.ResourceExhausted, codes.Unimplemented} {
		c.auth.fail(status.Error(code, "away"))
		key := int64(0x1000 + i) // another one each time: who asks for a key while its last answer is being delivered is given that one
		data, _ := c.device(key, 1, permA).data(ping)
		_, err = n.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
		requireStatus(t, err, 500, "INTERNAL_SERVER_ERROR")
		_, err = n.rpc.SessionQueryAuthKey(ctx, &session.TLSessionQueryAuthKey{AuthKeyId: key})
		requireStatus(t, err, 500, "INTERNAL_SERVER_ERROR")
	}
}

// Weakness 53: a push read the key's state where its sender waited, and was
// answered with a status on which sync never again used the node.
func TestWeakness53PushesDoNotWaitForAuthsession(t *testing.T) {
	c := startCluster(t)
	n := c.start(patient)
	c.auth.add(permA, 0, 0)
	c.auth.slow, c.auth.hold = permA, make(chan struct{})
	defer close(c.auth.hold)
	push := func() {
		t.Helper()
		start := time.Now()
		_, err := n.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: permA, Updates: resetAuthorization(77, permB)})
		require.NoError(t, err)
		require.Less(t, time.Since(start), silence/2, "stock waited as long as it could")
	}
	push()
	require.Zero(t, n.svc.Runloop.Count(), "nobody is there")
	d := c.device(permA, 0, permA)
	n.send(t, d, getUsers) // waits for the state
	for range 10 {
		push()
	}
	require.Equal(t, 1, n.svc.Runloop.Count())
}

// Weakness 2: a temp key that claims another's perm key was that user from
// its next packet on. Weakness 11: its failed bind killed the victim's state.
func TestWeakness02ClaimedPermKeyIsNotBelieved(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.login(n, permA, 77)
	before := n.svc.Runloop.Count()
	c.auth.add(tempT, 1, 0)
	d := c.device(tempT, 1, permA)
	requireError(t, d.result(n.send(t, d, getUsers)), 401, "AUTH_KEY_PERM_EMPTY")
	require.Zero(t, c.bff.count("/mtproto.RPCUsers/users_getUsers"))
	require.Equal(t, before+1, n.svc.Runloop.Count(), "a wrapper of its own")
}

// Weakness 3: all HTTP clients shared one state and one user.
func TestWeakness03HTTPClientsAreApart(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.login(n, permA, 77)
	c.auth.add(permB, 0, 0)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	http := func(perm int64) []byte {
		d := c.device(perm, 0, 0) // HTTP servers send neither perm key nor type
		for id, body := int64(0), getUsers; ; body = httpWait {
			data, sent := d.data(body)
			if id == 0 {
				id = sent
			}
			data.ServerId, data.ConnType = "", 2
			out, err := n.rpc.SessionSendHttpDataToSession(t.Context(), &session.TLSessionSendHttpDataToSession{Client: data})
			require.NoError(t, err)
			require.NotEmpty(t, out.Payload)
			for _, m := range messages(out.Payload) {
				if resultOf(m, id) {
					return m.body[12:]
				}
			}
		}
	}
	require.NotEqual(t, ids(rpcError), http(permA)[:4])
	requireError(t, http(permB), 401, "AUTH_KEY_UNREGISTERED")
	require.EqualValues(t, 1, c.bff.count("/mtproto.RPCUsers/users_getUsers"))
}

// resetAuthorization is the push that ends a login.
func resetAuthorization(user, authKeyID int64) []byte {
	out := protowire.AppendTag(nil, 1, protowire.BytesType)
	out = protowire.AppendString(out, "updateAccountResetAuthorization")
	out = protowire.AppendTag(out, 8, protowire.VarintType)
	out = protowire.AppendVarint(out, uint64(user))
	out = protowire.AppendTag(out, 27, protowire.VarintType)
	return protowire.AppendVarint(out, uint64(authKeyID))
}

// A client whose login was ended elsewhere is made to ask, and told so by an
// rpc_error: its key was unknown to gateways, so that it made a new temp key ten
// times a second and heard nothing. It may log in again in the same session.
func TestRevocationIsFelt(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	d := c.login(n, permA, 77)
	c.auth.add(tempT, 1, permA)
	c.auth.logOut(permA)
	_, err := n.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: permA, Updates: resetAuthorization(77, permA)})
	require.NoError(t, err)
	d.await("updatesTooLong", func(m message) bool { return m.constructor() == updatesTooLong })
	requireError(t, d.result(n.send(t, d, getUsers)), 401, "AUTH_KEY_UNREGISTERED")
	for _, key := range []int64{permA, tempT} {
		_, err = n.rpc.SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: key})
		require.NoError(t, err, "%x is a key still", key)
	}
	d.result(n.send(t, d, ids(0xc4f9186b))) // help.getConfig
}

// streamClient asks over a stream.
type streamClient struct {
	t   testing.TB
	rpc session.RPCSessionStream_SessionDataStreamClient
}

func openStream(t testing.TB, n *node) *streamClient {
	rpc, err := n.stream.SessionDataStream(t.Context())
	require.NoError(t, err)
	return &streamClient{t, rpc}
}

func (s *streamClient) send(in *session.SessionStreamRequest) {
	s.t.Helper()
	require.NoError(s.t, s.rpc.Send(in))
}

func (s *streamClient) receive() *session.SessionStreamResponse {
	s.t.Helper()
	out, err := s.rpc.Recv()
	require.NoError(s.t, err)
	return out
}

func (s *streamClient) ask(in *session.SessionStreamRequest) *session.SessionStreamResponse {
	s.t.Helper()
	s.send(in)
	out := s.receive()
	require.Equal(s.t, in.RequestId, out.RequestId)
	return out
}

func TestStream(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.auth.add(permA, 0, 0)
	s := openStream(t, n)

	answer := s.ask(&session.SessionStreamRequest{RequestId: "a"})
	require.EqualValues(t, 400, answer.GetError().GetCode())
	require.Equal(t, "INPUT_REQUEST_INVALID", answer.GetError().GetMessage())

	query := func(id string, key int64) *session.SessionStreamRequest {
		return &session.SessionStreamRequest{RequestId: id, Payload: &session.SessionStreamRequest_QueryAuthKey{
			QueryAuthKey: &session.TLSessionQueryAuthKey{AuthKeyId: key},
		}}
	}
	require.EqualValues(t, permA, s.ask(query("b", permA)).GetAuthKey().GetAuthKeyId())
	answer = s.ask(query("c", 0x999))
	require.EqualValues(t, 401, answer.GetError().GetCode())
	require.Equal(t, "AUTH_KEY_UNREGISTERED", answer.GetError().GetMessage())

	require.True(t, s.ask(&session.SessionStreamRequest{RequestId: "d", Payload: &session.SessionStreamRequest_SetAuthKey{
		SetAuthKey: &session.TLSessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: 3}},
	}}).GetAck().GetSuccess())
	require.EqualValues(t, 400, s.ask(&session.SessionStreamRequest{RequestId: "e", Payload: &session.SessionStreamRequest_SendData{
		SendData: &session.TLSessionSendDataToSession{},
	}}).GetError().GetCode())
	require.True(t, s.ask(&session.SessionStreamRequest{RequestId: "f", Payload: &session.SessionStreamRequest_PushUpdates{
		PushUpdates: &session.TLSessionPushUpdatesData{PermAuthKeyId: permA},
	}}).GetAck().GetSuccess())
	require.NoError(t, s.rpc.CloseSend())
	_, err := s.rpc.Recv()
	require.ErrorContains(t, err, "EOF")
}

// Weakness 56: one slow key held up all users of its gateway, and whatever was
// wrong was a 500.
func TestWeakness56SlowKeyHoldsUpNobodyOnItsStream(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.auth.add(permA, 0, 0)
	c.auth.add(tempT, 1, permB)
	c.auth.slow, c.auth.hold = tempT, make(chan struct{})
	s := openStream(t, n)
	slow, quick := c.device(tempT, 1, permB), c.device(permA, 0, permA)
	send := func(id string, d *device) {
		data, _ := d.data(ping)
		s.send(&session.SessionStreamRequest{RequestId: id, Payload: &session.SessionStreamRequest_SendData{
			SendData: &session.TLSessionSendDataToSession{Data: data},
		}})
	}
	send("slow", slow)
	send("quick", quick)
	require.Equal(t, "quick", s.receive().RequestId)
	quick.await("pong", func(m message) bool { return m.constructor() == pong })
	close(c.auth.hold)
	require.Equal(t, "slow", s.receive().RequestId)
	send("unknown", c.device(0x999, 1, permB))
	answer := s.receive()
	require.EqualValues(t, 401, answer.GetError().GetCode(), "%v", answer)
}

// Weakness 54: a key waited for whatever was silent.
func TestWeakness54SilentPeersDelayNoKey(t *testing.T) {
	c := startCluster(t)
	n := c.start(patient)
	d := c.login(n, permA, 77)
	t.Run("authsession", func(t *testing.T) {
		c.auth.mu.Lock()
		c.auth.slow, c.auth.hold = permA, make(chan struct{})
		c.auth.mu.Unlock()
		defer close(c.auth.hold)
		start := time.Now()
		n.send(t, d, ids(0xb921bd04, 1)) // get_future_salts
		id := n.send(t, d, ping)
		d.await("pong", func(m message) bool {
			return m.constructor() == pong && int64(binary.LittleEndian.Uint64(m.body[4:])) == id
		})
		require.Less(t, time.Since(start), silence/2)
	})
	t.Run("status", func(t *testing.T) {
		c.auth.add(permB, 0, 0)
		c.auth.mu.Lock()
		c.auth.users[permB] = 78
		c.auth.mu.Unlock()
		e := c.device(permB, 0, permB)
		c.stat.mu.Lock()
		defer c.stat.mu.Unlock()
		start := time.Now()
		e.result(n.send(t, e, getState)) // goes online
		require.Less(t, time.Since(start), silence/2)
	})
}

// Weakness 16: pushes and HTTP requests that found no room were answered as if
// they had been taken, too.
func TestWeakness16FullMailboxRefusesPushesAndHTTP(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Session.DataChannel = 1 })
	d := c.login(n, permA, 77)
	flood := func(t *testing.T, one func() error) {
		t.Helper()
		var refused atomic.Bool
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 200 {
					if err := one(); err != nil {
						assert.EqualValues(t, 420, status.Code(err))
						refused.Store(true)
					}
					if refused.Load() {
						return
					}
				}
			})
		}
		wg.Wait()
		require.True(t, refused.Load())
	}
	t.Run("pushes", func(t *testing.T) {
		flood(t, func() error {
			_, err := n.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: permA, Updates: resetAuthorization(77, permB)})
			return err
		})
	})
	t.Run("HTTP", func(t *testing.T) {
		var mu sync.Mutex
		flood(t, func() error {
			mu.Lock()
			data, _ := d.data(ping)
			mu.Unlock()
			data.ServerId, data.ConnType = "", 2
			out, err := n.rpc.SessionSendHttpDataToSession(t.Context(), &session.TLSessionSendHttpDataToSession{Client: data})
			assert.False(t, err == nil && len(out.GetPayload()) == 0, "taken, and not answered")
			return err
		})
	})
}

// Weakness 42: answers went to HTTP requests whose reader had left.
func TestWeakness42ReaderThatLeavesTakesNoAnswer(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	d := c.login(n, permA, 77)
	hold := make(chan struct{})
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { <-hold; return nil, nil })
	post := func(ctx context.Context, body []byte) (*session.HttpSessionData, error) {
		data, _ := d.data(body)
		data.ServerId, data.ConnType = "", 2
		return n.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: data})
	}
	left, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := post(left, getUsers)
		gone <- err
	}()
	eventually(t, "asked", func() bool { return c.bff.count("/mtproto.RPCUsers/users_getUsers") == 1 })
	leave()
	require.Error(t, <-gone)
	eventually(t, "the node has heard", func() bool { return n.svc.Runloop.Slots.Count() == 0 })
	close(hold)
	for answered := false; !answered; {
		out, err := post(t.Context(), ping)
		require.NoError(t, err)
		answered = bytes.Contains(out.Payload, binary.LittleEndian.AppendUint32(nil, 0xf35c6d01))
	}
}

// Neither a failed nor a slow call puts a key or a packet into the log.
func TestNoKeysInTheLog(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Middlewares.Stat, conf.Middlewares.Trace = true, true })
	logx.SetLevel(logx.DebugLevel)
	log := logtest.NewCollector(t)
	secret := bytes.Repeat([]byte("SECRETKEY"), 28)
	c.auth.fail(status.Error(codes.Internal, "away"))
	_, err := n.rpc.SessionSetAuthKey(t.Context(), &session.TLSessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: 5, AuthKey: secret}})
	requireStatus(t, err, 500, "INTERNAL_SERVER_ERROR")
	d := c.device(0x999, 1, permA)
	data, _ := d.data(secret)
	_, err = n.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	require.Error(t, err)
	require.NotContains(t, log.String(), "SECRETKEY")
	require.NotContains(t, log.String(), base64.StdEncoding.EncodeToString([]byte("SECRETKEY")))
}

// PFS-19: a gateway that still has a dropped or expired temp key in its cache
// is told, and so is its client, in words upon which it makes another key.
func TestDeadTempKeyIsTold(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.login(n, permA, 77)
	d := c.device(tempT, 1, permA) // authsession knows of no such key
	data, id := d.data(getUsers)
	_, err := n.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	requireStatus(t, err, 401, "AUTH_KEY_UNREGISTERED")
	requireError(t, d.result(id), 401, "AUTH_KEY_PERM_EMPTY")
	require.Zero(t, c.bff.count("/mtproto.RPCUsers/users_getUsers"))
}
