package gateway_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscator"
	"github.com/gotd/td/proto"
	"github.com/gotd/td/proto/codec"
	"github.com/gotd/td/transport"
	"github.com/stretchr/testify/require"
)

// noZeros never yields a zero byte: gotd's client hashes its nonces without
// their leading zeros.
type noZeros struct{}

func (noZeros) Read(p []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, p)
	for i := range p[:n] {
		p[i] = max(p[i], 1)
	}
	return n, err
}

// dialect is a way to speak to the port.
type dialect struct {
	name string
	open func(net.Conn) (transport.Conn, error)
}

func obfuscated(tag [4]byte, c codec.Codec) func(net.Conn) (transport.Conn, error) {
	return func(nc net.Conn) (transport.Conn, error) {
		o := obfuscator.Obfuscated2(rand.Reader, nc)
		if err := o.Handshake(tag, 2, mtproxy.Secret{}); err != nil {
			return nil, err
		}
		return transport.NewProtocol(func() transport.Codec { return codec.NoHeader{Codec: c} }).Handshake(o)
	}
}

// webSocket has a stream carried by a WebSocket that is opened on a connection.
func webSocket(stream func(net.Conn) (transport.Conn, error)) func(net.Conn) (transport.Conn, error) {
	return func(nc net.Conn) (transport.Conn, error) {
		dialed := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil }}
		ws, _, err := websocket.Dial(context.Background(), "ws://"+nc.RemoteAddr().String()+"/apiws", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: dialed}, Subprotocols: []string{"binary"},
		})
		if err != nil {
			return nil, err
		}
		return stream(websocket.NetConn(context.Background(), ws, websocket.MessageBinary))
	}
}

func dialects() []dialect {
	return []dialect{
		{"abridged", transport.Abridged.Handshake},
		{"intermediate", transport.Intermediate.Handshake},
		{"padded intermediate", transport.PaddedIntermediate.Handshake},
		{"full", transport.Full.Handshake},
		{"obfuscated abridged", obfuscated(codec.Abridged{}.ObfuscatedTag(), codec.Abridged{})},
		{"obfuscated intermediate", obfuscated(codec.IntermediateClientStart, codec.Intermediate{})},
		{"obfuscated padded intermediate", obfuscated(codec.PaddedIntermediateClientStart, codec.PaddedIntermediate{})},
		{"WebSocket", webSocket(obfuscated(codec.IntermediateClientStart, codec.Intermediate{}))},
	}
}

// client is gotd's transport, key exchange and cipher on one connection.
type client struct {
	t    *testing.T
	net  net.Conn
	conn transport.Conn
}

func dial(t *testing.T, addr string, d dialect) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	conn, err := d.open(nc)
	require.NoError(t, err)
	return &client{t: t, net: nc, conn: conn}
}

func (c *client) exchange(pub exchange.PublicKey, dc, expiresIn int) exchange.ClientExchangeResult {
	c.t.Helper()
	ex := exchange.NewExchanger(c.conn, dc).WithRand(noZeros{}).WithTimeout(20 * time.Second)
	if expiresIn > 0 {
		ex = ex.WithTempMode(expiresIn)
	}
	r, err := ex.Client([]exchange.PublicKey{pub}).Run(context.Background())
	require.NoError(c.t, err)
	return r
}

// ping sends an encrypted ping.
func (c *client) ping(key crypto.AuthKey, salt, sessionID, pingID int64) {
	c.t.Helper()
	c.encrypted(key, salt, sessionID, &mt.PingRequest{PingID: pingID})
}

// request sends an encrypted message.
func (c *client) request(key crypto.AuthKey, sessionID int64, m bin.Encoder) {
	c.t.Helper()
	c.encrypted(key, 1, sessionID, m)
}

func (c *client) encrypted(key crypto.AuthKey, salt, sessionID int64, m bin.Encoder) {
	c.t.Helper()
	var b bin.Buffer
	require.NoError(c.t, crypto.NewClientCipher(rand.Reader).Encrypt(key, crypto.EncryptedMessageData{
		Salt:      salt,
		SessionID: sessionID,
		MessageID: proto.NewMessageIDGen(time.Now).New(proto.MessageFromClient),
		SeqNo:     1,
		Message:   m,
	}, &b))
	c.send(b.Raw())
}

func (c *client) send(raw []byte) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Send(context.Background(), &bin.Buffer{Buf: raw}))
}

func (c *client) recv() (*bin.Buffer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var b bin.Buffer
	err := c.conn.Recv(ctx, &b)
	return &b, err
}

// failsWith expects a transport error.
func (c *client) failsWith(code int32) {
	c.t.Helper()
	_, err := c.recv()
	var pe *codec.ProtocolErr
	require.ErrorAs(c.t, err, &pe)
	require.Equal(c.t, -code, pe.Code)
}

// isCutOff expects the connection to end without a word.
func (c *client) isCutOff() {
	c.t.Helper()
	_ = c.net.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := c.net.Read(make([]byte, 1))
	require.Zero(c.t, n)
	var timeout net.Error
	require.False(c.t, errorsAs(err, &timeout) && timeout.Timeout(), "still connected")
}

// payload is what session sends a client: salt, session_id, msg_id, seq_no,
// length, body.
func payload(salt, sessionID, msgID int64, body []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(salt))
	out = binary.LittleEndian.AppendUint64(out, uint64(sessionID))
	out = binary.LittleEndian.AppendUint64(out, uint64(msgID))
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(body)))
	return append(out, body...)
}
