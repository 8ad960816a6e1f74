package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	gatewaypb "github.com/tgsession/tgsession/proto/gateway"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

func errorsAs(err error, target any) bool { return errors.As(err, target) }

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
	if err != nil {
		panic(err)
	}
	return k
})

type lab struct {
	gw      *gateway.Gateway
	session *sessionDouble
	pub     exchange.PublicKey
}

func start(t *testing.T, change func(*gateway.Config)) *lab {
	t.Helper()
	return startWith(t, upstream.Config{}, change)
}

func startWith(t *testing.T, up upstream.Config, change func(*gateway.Config)) *lab {
	t.Helper()
	s := startSession(t)
	pool := upstream.New(up)
	pool.Update([]string{s.addr})
	t.Cleanup(pool.Close)
	cfg := gateway.Config{Key: rsaKey(), Backend: pool, PrimeBits: 20}
	if change != nil {
		change(&cfg)
	}
	gw, err := gateway.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = gw.Close() })
	return &lab{gw: gw, session: s, pub: exchange.PublicKey{RSA: &rsaKey().PublicKey}}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, time.Minute, 5*time.Millisecond)
}

// One port, every transport: a key exchanged, a packet in, a payload out.
func TestEveryTransport(t *testing.T) {
	l := start(t, nil)
	back := toGateway(t, l.gw.ServerID())
	for i, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			c := dial(t, l.gw.Addr(), d)
			r := c.exchange(l.pub, 2, 0)
			sessionID := int64(1000 + i)
			c.ping(r.AuthKey, r.ServerSalt, sessionID, 42)
			eventually(t, func() bool { return len(l.session.received()) == i+1 })
			got := l.session.received()[i]
			require.Equal(t, r.AuthKey.IntID(), got.GetAuthKeyId())
			require.Equal(t, r.AuthKey.IntID(), got.GetPermAuthKeyId())
			require.Equal(t, l.gw.ServerID(), got.GetServerId())
			require.Equal(t, "127.0.0.1", got.GetClientIp())
			require.Equal(t, r.ServerSalt, got.GetSalt())
			require.Equal(t, sessionID, got.GetSessionId())
			require.EqualValues(t, 1, got.GetConnType())
			require.EqualValues(t, 12, binary.LittleEndian.Uint32(got.GetPayload()[12:]))
			require.EqualValues(t, mt.PingRequestTypeID, binary.LittleEndian.Uint32(got.GetPayload()[16:]))

			for _, size := range []int{4, 500, 100_000} {
				body := bytes.Repeat([]byte{7}, size)
				ok, err := back.GatewaySendDataToGateway(context.Background(), &gatewaypb.TLGatewaySendDataToGateway{
					AuthKeyId: r.AuthKey.IntID(), SessionId: sessionID, Payload: payload(1, sessionID, 5, body),
				})
				require.NoError(t, err)
				require.Equal(t, "boolTrue", ok.GetPredicateName())
				raw, err := c.recv()
				require.NoError(t, err)
				m, err := crypto.NewClientCipher(rand.Reader).DecryptFromBuffer(r.AuthKey, raw)
				require.NoError(t, err)
				require.Equal(t, sessionID, m.SessionID)
				require.Equal(t, body, m.Data())
			}
		})
	}
}

func TestNewKeysReachSessionAsTheStockGatewayFillsThem(t *testing.T) {
	l := start(t, nil)
	d := dialects()[1]
	c := dial(t, l.gw.Addr(), d)
	perm := c.exchange(l.pub, 2, 0)
	temp := c.exchange(l.pub, 2, 86400) // on the same connection
	media := c.exchange(l.pub, -2, 3600)
	require.Len(t, l.session.set, 3)
	for i, want := range []struct {
		r                 exchange.ClientExchangeResult
		kind              int32
		perm, temp, media bool
		expiresIn         int32
	}{
		{perm, 0, true, false, false, 0},
		{temp, 1, false, true, false, 86400},
		{media, 2, false, false, true, 3600},
	} {
		got := l.session.set[i]
		id := want.r.AuthKey.IntID()
		is := func(set bool) int64 {
			if set {
				return id
			}
			return 0
		}
		require.Equal(t, id, got.GetAuthKey().GetAuthKeyId())
		require.Equal(t, want.r.AuthKey.Value[:], got.GetAuthKey().GetAuthKey())
		require.Equal(t, want.kind, got.GetAuthKey().GetAuthKeyType())
		require.Equal(t, is(want.perm), got.GetAuthKey().GetPermAuthKeyId())
		require.Equal(t, is(want.temp), got.GetAuthKey().GetTempAuthKeyId())
		require.Equal(t, is(want.media), got.GetAuthKey().GetMediaTempAuthKeyId())
		require.Equal(t, want.expiresIn, got.GetExpiresIn())
		require.Equal(t, want.r.ServerSalt, got.GetFutureSalt().GetSalt())
		require.EqualValues(t, 1800, got.GetFutureSalt().GetValidUntil()-got.GetFutureSalt().GetValidSince())
	}
}

// The binding is what session says, not what a client's packet says.
func TestBindingIsLearnedFromSession(t *testing.T) {
	l := start(t, nil)
	c := dial(t, l.gw.Addr(), dialects()[1])
	perm := c.exchange(l.pub, 2, 0)
	temp := c.exchange(l.pub, 2, 86400)
	id, permID := temp.AuthKey.IntID(), perm.AuthKey.IntID()

	c.ping(temp.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	l.session.bind(id, permID)
	c.ping(temp.AuthKey, 1, 7, 2)
	eventually(t, func() bool { return len(l.session.received()) == 2 })
	c.ping(temp.AuthKey, 1, 7, 3)
	eventually(t, func() bool { return len(l.session.received()) == 3 })

	got := l.session.received()
	require.Zero(t, got[0].GetPermAuthKeyId())
	require.Equal(t, permID, got[1].GetPermAuthKeyId())
	require.Equal(t, permID, got[2].GetPermAuthKeyId())
	for _, d := range got {
		require.Equal(t, id, d.GetAuthKeyId())
		require.EqualValues(t, 1, d.GetKeyType())
	}
	require.Equal(t, 2, l.session.queries, "a bound key is not asked for again")
	require.NoError(t, c.net.Close())
	eventually(t, func() bool { return len(l.session.closings()) == 1 })
	require.Equal(t, permID, l.session.closings()[0].GetPermAuthKeyId())
}

func TestUnknownKey(t *testing.T) {
	l := start(t, nil)
	c := dial(t, l.gw.Addr(), dialects()[1])
	var k crypto.Key
	_, _ = rand.Read(k[:])
	c.ping(k.WithID(), 1, 7, 1)
	c.failsWith(-404)
	r := c.exchange(l.pub, 2, 0) // the connection stays good for a handshake
	c.ping(r.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
}

func TestRevokedKeyIsForgottenInTime(t *testing.T) {
	var mu sync.Mutex
	var ahead time.Duration
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	l := start(t, func(c *gateway.Config) { c.Now = now })
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 0)
	c.ping(r.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	l.session.forget(r.AuthKey.IntID())
	mu.Lock()
	ahead = 6 * time.Minute
	mu.Unlock()
	c.ping(r.AuthKey, 1, 7, 2)
	c.failsWith(-404)
	require.Len(t, l.session.received(), 1)
}

func TestSessionIsAnnouncedOnceAndClosedWithItsLastConnection(t *testing.T) {
	l := start(t, nil)
	back := toGateway(t, l.gw.ServerID())
	one := dial(t, l.gw.Addr(), dialects()[0])
	r := one.exchange(l.pub, 2, 0)
	one.ping(r.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	two := dial(t, l.gw.Addr(), dialects()[1])
	two.ping(r.AuthKey, 1, 7, 2)
	eventually(t, func() bool { return len(l.session.received()) == 2 })
	two.ping(r.AuthKey, 1, 8, 3)
	eventually(t, func() bool { return len(l.session.received()) == 3 })
	var kinds []int32
	for _, d := range l.session.received() {
		kinds = append(kinds, d.GetConnType())
	}
	require.Equal(t, []int32{1, 0, 1}, kinds)

	send := func(sessionID int64) string {
		ok, err := back.GatewaySendDataToGateway(context.Background(), &gatewaypb.TLGatewaySendDataToGateway{
			AuthKeyId: r.AuthKey.IntID(), SessionId: sessionID, Payload: payload(1, sessionID, 5, make([]byte, 4)),
		})
		require.NoError(t, err)
		return ok.GetPredicateName()
	}
	require.Equal(t, "boolTrue", send(7))
	for _, c := range []*client{one, two} {
		_, err := c.recv()
		require.NoError(t, err)
	}
	require.Equal(t, "boolFalse", send(99))

	require.NoError(t, two.net.Close())
	eventually(t, func() bool { return len(l.session.closings()) == 1 })
	require.EqualValues(t, 8, l.session.closings()[0].GetSessionId())
	require.Equal(t, "boolTrue", send(7))
	require.NoError(t, one.net.Close())
	eventually(t, func() bool { return len(l.session.closings()) == 2 })
	ev := l.session.closings()[1]
	require.EqualValues(t, 7, ev.GetSessionId())
	require.Equal(t, "sessionClientEvent", ev.GetPredicateName())
	require.Equal(t, r.AuthKey.IntID(), ev.GetPermAuthKeyId())
	require.Equal(t, "boolFalse", send(7))
}

func TestUnboundKeyIsNeverClosed(t *testing.T) {
	l := start(t, nil)
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 86400)
	c.ping(r.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	require.NoError(t, l.gw.Close())
	require.Empty(t, l.session.closings())
}

// ENC-5: a forged packet ends the connection and reaches nobody.
func TestForgedPacket(t *testing.T) {
	l := start(t, nil)
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 0)
	for _, size := range []int{64, 24, 30} {
		c = dial(t, l.gw.Addr(), dialects()[1])
		raw := append(r.AuthKey.ID[:], bytes.Repeat([]byte{1}, size)...)
		raw = raw[:len(raw)/4*4]
		c.send(raw)
		c.isCutOff()
	}
	require.Empty(t, l.session.received())
}

// ENC-6, SESS-2: genuine packets with impossible fields.
func TestMalformedPacket(t *testing.T) {
	l := start(t, nil)
	d := dialects()[1]
	c := dial(t, l.gw.Addr(), d)
	r := c.exchange(l.pub, 2, 0)
	for _, m := range []struct {
		name    string
		session int64
		length  int32
		size    int
	}{
		{"negative length", 7, -4, 32},
		{"length no multiple of four", 7, 6, 32},
		{"length beyond the packet", 7, 64, 32},
		{"padding too short", 7, 56, 32},
		{"padding too long", 7, 4, 1200},
		{"session 0", 0, 4, 32},
	} {
		t.Run(m.name, func(t *testing.T) {
			c.t = t
			c.send(sealed(t, r.AuthKey, m.session, m.length, make([]byte, m.size)))
			c.failsWith(-404)
		})
	}
	require.Empty(t, l.session.received())
}

// sealed encrypts a packet whose length field is a lie. What gotd's cipher
// adds as padding is part of the plaintext here.
func sealed(t *testing.T, key crypto.AuthKey, sessionID int64, length int32, body []byte) []byte {
	t.Helper()
	var b bin.Buffer
	require.NoError(t, crypto.NewClientCipher(rand.Reader).Encrypt(key, crypto.EncryptedMessageData{
		SessionID: sessionID, MessageID: 4, MessageDataLen: length, MessageDataWithPadding: body,
	}, &b))
	return b.Copy()
}

func TestSlowClientIsCutOff(t *testing.T) {
	l := start(t, func(c *gateway.Config) { c.OutboxItems = 8; c.WriteTimeout = 500 * time.Millisecond })
	back := toGateway(t, l.gw.ServerID())
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 0)
	c.ping(r.AuthKey, 1, 7, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	big := payload(1, 7, 5, make([]byte, 1<<20))
	eventually(t, func() bool { // the client reads nothing
		_, err := back.GatewaySendDataToGateway(context.Background(), &gatewaypb.TLGatewaySendDataToGateway{
			AuthKeyId: r.AuthKey.IntID(), SessionId: 7, Payload: big,
		})
		require.NoError(t, err)
		return len(l.session.closings()) == 1
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rsa.pem")
	one, err := gateway.LoadKey(path)
	require.NoError(t, err)
	two, err := gateway.LoadKey(path)
	require.NoError(t, err)
	require.True(t, one.Equal(two))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	keys, err := crypto.ParseRSAPublicKeys(gateway.PublicPEM(&one.PublicKey))
	require.NoError(t, err)
	require.True(t, one.PublicKey.Equal(keys[0]))

	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	_, err = gateway.LoadKey(path)
	require.Error(t, err)
}

// PING-2: a connection ends some time after ping_delay_disconnect asked, unless
// it is asked again; other packets do not count.
func TestPingDelayDisconnect(t *testing.T) {
	l := start(t, func(c *gateway.Config) { c.PingGrace = time.Second })
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 0)
	begin := time.Now()
	c.request(r.AuthKey, 7, &mt.PingDelayDisconnectRequest{PingID: 1, DisconnectDelay: 600})
	c.request(r.AuthKey, 7, &mt.PingDelayDisconnectRequest{PingID: 2, DisconnectDelay: 2})
	c.request(r.AuthKey, 7, &mt.PingRequest{PingID: 3})
	c.isCutOff()
	require.Greater(t, time.Since(begin), 2900*time.Millisecond)
	eventually(t, func() bool { return len(l.session.closings()) == 1 })
}

// TR-10: -429, and session never hears of it.
func TestLimitsOfOnePacket(t *testing.T) {
	l := start(t, nil)
	c := dial(t, l.gw.Addr(), dialects()[1])
	r := c.exchange(l.pub, 2, 0)
	c.request(r.AuthKey, 7, &mt.MsgsAck{MsgIDs: make([]int64, 8193)})
	c.failsWith(-429)
	require.Empty(t, l.session.received())
}

// PFS-19: a key that session has dropped is dead at once, though this gateway
// had it in its cache.
func TestDroppedKey(t *testing.T) {
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream=%t", stream), func(t *testing.T) {
			l := startWith(t, upstream.Config{Stream: stream}, nil)
			c := dial(t, l.gw.Addr(), dialects()[1])
			r := c.exchange(l.pub, 2, 0)
			c.ping(r.AuthKey, 1, 7, 1)
			eventually(t, func() bool { return len(l.session.received()) == 1 })
			l.session.forget(r.AuthKey.IntID())
			c.ping(r.AuthKey, 1, 7, 2)
			c.failsWith(-404)
			c.ping(r.AuthKey, 1, 7, 3)
			c.failsWith(-404)
			require.Len(t, l.session.received(), 1)
		})
	}
}
