package integration

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

func int64Random() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// authKey is a key as the gateway knows it.
type authKey struct {
	key  crypto.AuthKey
	typ  int32 // 0 perm, 1 temp, 2 media temp
	perm int64 // perm key that it claims to belong to; 0: unbound
	salt int64
}

func (k *authKey) id() int64 { return k.key.IntID() }

// dial connects to a session node as a gateway does.
func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// newKey registers a fresh key through session.
func newKey(t testing.TB, conn grpc.ClientConnInterface, typ int32) *authKey {
	t.Helper()
	return newKeyFor(t, conn, typ, 24*time.Hour)
}

// newKeyFor is newKey with the life of a temp key.
func newKeyFor(t testing.TB, conn grpc.ClientConnInterface, typ int32, life time.Duration) *authKey {
	t.Helper()
	var raw crypto.Key
	_, _ = rand.Read(raw[:])
	k := &authKey{key: raw.WithID(), typ: typ, salt: int64Random()}
	info := &mtproto.AuthKeyInfo{AuthKeyId: k.id(), AuthKey: raw[:], AuthKeyType: typ}
	var expiresIn int32
	switch typ {
	case 0:
		info.PermAuthKeyId, k.perm = k.id(), k.id()
	case 1:
		info.TempAuthKeyId, expiresIn = k.id(), int32(life.Seconds())
	case 2:
		info.MediaTempAuthKeyId, expiresIn = k.id(), int32(life.Seconds())
	}
	now := int32(time.Now().Unix())
	eventually(t, "the key is stored", func() bool { // a busy machine may need more than a call's time
		res, err := session.NewRPCSessionClient(conn).SessionSetAuthKey(t.Context(), &session.TLSessionSetAuthKey{
			AuthKey:    info,
			FutureSalt: &mtproto.FutureSalt{PredicateName: "future_salt", ValidSince: now, ValidUntil: now + 1800, Salt: k.salt},
			ExpiresIn:  expiresIn,
		})
		return err == nil && res.PredicateName == "boolTrue"
	})
	return k
}

// message is one message of the server.
type message struct {
	id   int64
	seq  int32
	body []byte
}

func (m message) constructor() uint32 {
	if len(m.body) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(m.body)
}

// client is one MTProto session as its gateway sees it: plain packets.
type client struct {
	t       testing.TB
	session session.RPCSessionClient
	node    string // that the last redirect led to
	gateway *gatewayRole
	key     *authKey
	id      int64 // session id
	conn    chan []byte
	fresh   bool // the next packet is the gateway's first of this session
	content int32
	lastID  int64
	pending []message      // received, not yet asked for
	http    bool           // packets go as HTTP requests do
	posts   sync.WaitGroup // requests under way
	ip      string
	salt    int64 // as the server said last
}

func newClient(t testing.TB, conn grpc.ClientConnInterface, g *gatewayRole, k *authKey) *client {
	c := &client{t: t, session: session.NewRPCSessionClient(conn), gateway: g, key: k, id: int64Random(), fresh: true, ip: "203.0.113.7", salt: k.salt}
	c.conn = g.open(connKey{k.id(), c.id})
	return c
}

// msgID makes the next message id from the wall clock.
func (c *client) msgID() int64 {
	now := time.Now()
	id := (now.Unix()<<32 | int64(now.Nanosecond())<<2) &^ 3
	if id <= c.lastID {
		id = c.lastID + 4
	}
	c.lastID = id
	return id
}

func (c *client) seqNo(content bool) int32 {
	n := c.content * 2
	if content {
		c.content++
		n++
	}
	return n
}

// packet lays a message out as the gateway hands it over.
func packet(id int64, seq int32, body []byte) []byte {
	var b bin.Buffer
	b.PutLong(id)
	b.PutInt(int(seq))
	b.PutInt(len(body))
	b.Put(body)
	pad := 12 + (16-(len(b.Buf)+16+12)%16)%16
	b.Put(make([]byte, pad))
	return b.Buf
}

// sendPacket hands one packet to session, and returns its refusal.
func (c *client) sendPacket(payload []byte) error {
	data := &session.SessionClientData{
		ServerId: c.gateway.addr, AuthKeyId: c.key.id(), KeyType: c.key.typ, PermAuthKeyId: c.key.perm,
		SessionId: c.id, ClientIp: c.ip, Salt: c.salt, Payload: payload,
	}
	if c.http {
		c.sendHTTP(data)
		return nil
	}
	if c.fresh {
		data.ConnType, c.fresh = 1, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := c.session.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
	return err
}

// newHTTPClient opens a session that speaks HTTP: neither key type nor perm
// key id are told, and answers come as replies.
func newHTTPClient(t testing.TB, c *cluster) *client {
	cl := c.newClient()
	cl.http = true
	return cl
}

// sendHTTP hands one packet over as an HTTP gateway does and takes the reply
// for what the server sent.
func (c *client) sendHTTP(data *session.SessionClientData) {
	data.ConnType, data.KeyType, data.PermAuthKeyId = 2, 0, 0
	c.posts.Add(1)
	go func() {
		defer c.posts.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		res, err := c.session.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: data})
		if err == nil && len(res.Payload) > 0 {
			c.conn <- res.Payload
		}
	}()
}

// poll leaves a request at the server for answers that come later, as HTTP
// clients do (rule HTTP-4).
func (c *client) poll() {
	c.t.Helper()
	if len(c.conn) == 0 {
		c.send(encode(c.t, &mt.HTTPWaitRequest{MaxWait: 2000}), false)
	}
}

// send sends one message and returns its id.
func (c *client) send(body []byte, content bool) int64 {
	c.t.Helper()
	id := c.msgID()
	require.NoError(c.t, c.sendPacket(packet(id, c.seqNo(content), body)))
	return id
}

func decode(body []byte, d bin.Decoder) error { return d.Decode(&bin.Buffer{Buf: body}) }

func encode(t testing.TB, e bin.Encoder) []byte {
	t.Helper()
	var b bin.Buffer
	require.NoError(t, e.Encode(&b))
	return b.Buf
}

// call sends an API call and returns its message id.
func (c *client) call(e bin.Encoder) int64 {
	c.t.Helper()
	return c.send(encode(c.t, e), true)
}

// initialised wraps a call as clients do at start.
func initialised(t testing.TB, e bin.Object) bin.Object {
	t.Helper()
	return &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: &tg.InitConnectionRequest{
		APIID: 4, DeviceModel: "Pixel 9", SystemVersion: "16", AppVersion: "12.1", SystemLangCode: "en", LangPack: "android", LangCode: "en",
		Query: e,
	}}
}

// next returns the next message of the server, or false after the limit.
func (c *client) next(limit time.Duration) (message, bool) {
	c.t.Helper()
	if len(c.pending) > 0 {
		m := c.pending[0]
		c.pending = c.pending[1:]
		return m, true
	}
	if c.http {
		c.poll()
	}
	select {
	case payload := <-c.conn:
		c.unpack(payload)
		return c.next(limit)
	case <-time.After(limit):
		return message{}, false
	}
}

// unpack takes the messages out of a packet and of a container in it.
func (c *client) unpack(payload []byte) {
	c.t.Helper()
	b := bin.Buffer{Buf: payload}
	salt, err := b.Long()
	require.NoError(c.t, err)
	id, err := b.Long()
	require.NoError(c.t, err)
	require.Equal(c.t, c.id, id, "a packet of another session")
	c.salt = salt
	m := c.readMessage(&b)
	require.Zero(c.t, b.Len(), "trailing bytes after the message")
	if m.constructor() != mtp.MessageContainerTypeID {
		c.pending = append(c.pending, m)
		return
	}
	in := bin.Buffer{Buf: m.body[4:]}
	count, err := in.Int()
	require.NoError(c.t, err)
	for range count {
		c.pending = append(c.pending, c.readMessage(&in))
	}
}

func (c *client) readMessage(b *bin.Buffer) message {
	c.t.Helper()
	id, err := b.Long()
	require.NoError(c.t, err)
	seq, err := b.Int()
	require.NoError(c.t, err)
	size, err := b.Int()
	require.NoError(c.t, err)
	require.LessOrEqual(c.t, size, b.Len())
	body := b.Buf[:size]
	b.Skip(size)
	return message{id: id, seq: int32(seq), body: inflate(c.t, body)}
}

// inflate unpacks a body that is gzip_packed as a whole.
func inflate(t testing.TB, body []byte) []byte {
	t.Helper()
	b := bin.Buffer{Buf: body}
	if id, err := b.PeekID(); err != nil || id != mtp.GZIPTypeID {
		return body
	}
	_, _ = b.ID()
	packed, err := b.Bytes()
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

// await returns the first message that fits; others are dropped. It fails
// the test after 10 s.
func (c *client) await(what string, fits func(message) bool) message {
	c.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if m, ok := c.next(time.Until(deadline)); ok && fits(m) {
			return m
		}
	}
	c.t.Fatalf("no %s within 10 s", what)
	return message{}
}

// awaitConstructor returns the first message of a constructor.
func (c *client) awaitConstructor(id uint32) message {
	c.t.Helper()
	return c.await(fmt.Sprintf("constructor %08x", id), func(m message) bool { return m.constructor() == id })
}

// result waits for the answer of a call, which must be no rpc_error, and returns
// its body.
func (c *client) result(msgID int64) []byte {
	c.t.Helper()
	return resultOf(c.t, c.answer(msgID))
}

// resultOf is the body of an answer, which must be no rpc_error.
func resultOf(t testing.TB, m message) []byte {
	t.Helper()
	body := inflate(t, m.body[12:])
	var e mt.RPCError
	if decode(body, &e) == nil {
		require.Failf(t, "a call failed", "%d %s", e.ErrorCode, e.ErrorMessage)
	}
	return body
}

// rpcError waits for the answer of a call, which has to be an rpc_error.
func (c *client) rpcError(msgID int64) mt.RPCError {
	c.t.Helper()
	body := inflate(c.t, c.answer(msgID).body[12:])
	var e mt.RPCError
	require.NoError(c.t, e.Decode(&bin.Buffer{Buf: body}), "not an rpc_error: %x", body)
	return e
}
