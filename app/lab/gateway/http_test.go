package gateway_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto/codec"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/proto/session"
)

// SessionSendHttpDataToSession answers every packet with what it was told.
func (s *sessionDouble) SessionSendHttpDataToSession(_ context.Context, q *session.TLSessionSendHttpDataToSession) (*session.HttpSessionData, error) {
	if _, err := s.SessionSendDataToSession(context.Background(), &session.TLSessionSendDataToSession{Data: q.GetClient()}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &session.HttpSessionData{Payload: s.reply}, nil
}

func post(t *testing.T, l *lab, path string, body []byte) (status int, answer []byte) {
	t.Helper()
	r, err := http.Post("http://"+l.gw.Addr()+path, "application/octet-stream", bytes.NewReader(body))
	require.NoError(t, err)
	defer r.Body.Close()
	answer, err = io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, answer
}

// sealedPing is a packet of a session.
func sealedPing(t *testing.T, k *wire.Key, sessionID int64) []byte {
	t.Helper()
	raw, _, err := k.Seal(wire.Plain{Salt: k.Salt, Session: sessionID, MsgID: time.Now().Unix() << 32, Body: binary.LittleEndian.AppendUint64(
		binary.LittleEndian.AppendUint32(nil, mt.PingRequestTypeID), 7)})
	require.NoError(t, err)
	return raw
}

// HTTP-1: a key exchanged over connections of its own for each query, then a
// packet each way, as the stock gateway hands it on.
func TestHTTP(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	l := start(t, nil)
	ex := func() *wire.Conn {
		c, err := wire.Dial(t.Context(), l.gw.Addr(), wire.HTTP, false, 2)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	h := wire.NewHandshake(ex(), &rsaKey().PublicKey, 2, 0)
	require.NoError(t, h.Start())
	q, err := h.DHRequest(nil)
	require.NoError(t, err)
	h.Conn = ex()
	answer, err := h.Ask(q)
	require.NoError(t, err)
	require.NoError(t, h.ReadDH(answer))
	h.Conn = ex()
	key, err := h.Complete()
	require.NoError(t, err)

	for _, reply := range [][]byte{nil, payload(1, 9, 5, make([]byte, 2000))} {
		l.session.mu.Lock()
		l.session.reply = reply
		l.session.mu.Unlock()
		status, sealed := post(t, l, "/apiw1", sealedPing(t, key, 9))
		require.Equal(t, http.StatusOK, status)
		if reply == nil {
			require.Empty(t, sealed)
			continue
		}
		p, err := key.Open(sealed)
		require.NoError(t, err)
		require.Len(t, p.Body, 2000)
	}
	got := l.session.received()[0]
	require.Equal(t, key.IntID(), got.GetAuthKeyId())
	require.EqualValues(t, 2, got.GetConnType())
	require.Zero(t, got.GetPermAuthKeyId())
	require.EqualValues(t, 9, got.GetSessionId())
	require.Equal(t, "127.0.0.1", got.GetClientIp())

	l.session.forget(key.IntID())
	status, _ := post(t, l, "/api", sealedPing(t, key, 9))
	require.Equal(t, http.StatusNotFound, status, "a key that session has dropped")
}

// A client over a WebSocket is one connection like any other: session hears of
// its address, and of its end.
func TestWebSocket(t *testing.T) {
	l := start(t, nil)
	nc, err := net.Dial("tcp", l.gw.Addr())
	require.NoError(t, err)
	conn, err := webSocket(obfuscated(codec.IntermediateClientStart, codec.Intermediate{}))(nc)
	require.NoError(t, err)
	c := &client{t: t, net: nc, conn: conn}
	r := c.exchange(l.pub, 2, 0)
	c.ping(r.AuthKey, r.ServerSalt, 9, 1)
	eventually(t, func() bool { return len(l.session.received()) == 1 })
	require.Equal(t, "127.0.0.1", l.session.received()[0].GetClientIp())
	require.NoError(t, nc.Close())
	eventually(t, func() bool { return len(l.session.closings()) == 1 })

	t.Run("ends with the gateway", func(t *testing.T) {
		c := dial(t, l.gw.Addr(), dialect{"WebSocket", webSocket(obfuscated(codec.IntermediateClientStart, codec.Intermediate{}))})
		c.exchange(l.pub, 2, 0)
		begin := time.Now()
		require.NoError(t, l.gw.Close())
		require.Less(t, time.Since(begin), 4*time.Second, "it waits for no closing handshake")
	})
}

func TestNoWebSocket(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	l := start(t, nil)
	r, err := http.Get("http://" + l.gw.Addr() + "/apiws")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusUpgradeRequired, r.StatusCode)
}

// HTTP-9: what is wrong is a status code.
func TestHTTPStatuses(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	l := start(t, func(c *gateway.Config) { c.MaxPacket = 1 << 16 })
	for _, c := range []struct {
		name, path string
		body       []byte
		want       int
	}{
		{"nothing", "/api", nil, 404},
		{"an unknown key", "/api", bytes.Repeat([]byte{1}, 96), 404},
		{"a plain message that is none", "/api", make([]byte, 40), 404},
		{"a query that is none", "/api", append(append(make([]byte, 16), 20, 0, 0, 0), make([]byte, 20)...), 404},
		{"too long", "/api", make([]byte, 1<<17), 413},
		{"elsewhere", "/", make([]byte, 40), 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _ := post(t, l, c.path, c.body)
			require.Equal(t, c.want, status)
		})
	}
	r, err := http.Get("http://" + l.gw.Addr() + "/api")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	require.Equal(t, "*", r.Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, l.session.received())
}
