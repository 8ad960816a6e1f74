package runloop

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

var loadSchema = sync.OnceValues(func() (*tl.Schema, error) { return tl.Load(tl.Default) })

// crowd is clients with a temp key and a session each, and behind their node
// peers that answer at once. Strings and payloads are made anew for each
// packet, as they come from gRPC.
type crowd struct {
	*Manager
	tb       testing.TB
	clock    atomic.Int64
	resolver *keys.Resolver
	clients  []client
	getState []byte // invokeWithLayer(initConnection(updates.getState))
	pongs    atomic.Int64
}

// client is what the test keeps of one.
type client struct {
	lastID  int64
	acks    [4]int64
	waiting uint8
	content int32
}

const (
	crowdSalt    = 0x0123456789abcdef
	crowdGateway = "198.51.100.20:20110"
)

func newCrowd(tb testing.TB, n int) *crowd {
	schema, err := loadSchema()
	require.NoError(tb, err)
	cfg := &sess.Config{}
	cfg.SetDefaults()
	c := &crowd{tb: tb, clients: make([]client, n)}
	c.clock.Store(1_700_000_000 * int64(time.Second))
	c.getState = initConnection(schema.MethodByName("updates.getState")[0].ID)
	c.resolver = keys.New(keys.Options{
		Lookup: func(_ context.Context, id int64, _ keys.Claim) (keys.Key, error) {
			return keys.Key{Perm: -id, Type: sess.TempKey}, nil
		},
		Now:     func() time.Time { return time.Unix(0, c.clock.Load()) },
		Timeout: time.Second, Size: 2 * n, Fresh: time.Minute, Unbound: time.Second, PerKey: 256, Lookups: 1024,
	})
	c.Manager = New(Options{
		New: func(key int64, unbound bool) Machine {
			return sess.New(key, unbound, cfg, schema, zeros{})
		},
		Send:    c.receive,
		Notify:  func(sess.Request) {},
		Execute: c.execute,
		Now:     c.clock.Load,

		MailboxItems: 4096, MailboxBytes: 16 << 20, CallLimit: 16384, PeerLimit: 16384, PeerQueue: 65536,
	})
	tb.Cleanup(func() { c.rest() })
	return c
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// execute plays authsession and the BFF.
func (c *crowd) execute(r sess.Request) (sess.Result, *sess.RPCError) {
	switch r := r.(type) {
	case *sess.InvokeMethod:
		state := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updates_state")
		return &sess.MethodResult{Method: r.Method, PB: state}, nil
	case *sess.GetAuthState:
		return &sess.AuthState{State: sess.StateNormal, UserID: -r.AuthKeyID}, nil
	case *sess.GetSalts:
		now := int32(c.clock.Load()/1e9) - 1800
		salts := make([]sess.Salt, 8)
		for i := range int32(8) {
			salts[i] = sess.Salt{Since: now + i*1800, Until: now + (i+1)*1800, Salt: crowdSalt}
		}
		return &sess.Salts{Salts: salts}, nil
	}
	return nil, nil
}

// receive is the gateway and, behind it, the client: it notes what is to be
// acknowledged.
func (c *crowd) receive(_ int64, s sess.Send) {
	cl := &c.clients[s.SessionID-1]
	p := s.Payload[16:]
	m := wire.Message{ID: int64(binary.LittleEndian.Uint64(p)), Seq: int32(binary.LittleEndian.Uint32(p[8:])), Body: p[16:]}
	members := []wire.Message{m}
	if binary.LittleEndian.Uint32(m.Body) == wire.IDMsgContainer {
		var err error
		members, err = wire.Members(nil, m.Body, 16)
		require.NoError(c.tb, err)
	}
	for _, m := range members {
		if m.Seq&1 != 0 {
			require.Less(c.tb, int(cl.waiting), len(cl.acks), "a client got more than it was told")
			cl.acks[cl.waiting] = m.ID
			cl.waiting++
		}
		if binary.LittleEndian.Uint32(m.Body) == wire.IDPong {
			c.pongs.Add(1)
		}
	}
}

// send makes a packet of client i with one message, or with one and the
// acknowledgments that are due, and posts it the way the server does.
func (c *crowd) send(i int, body []byte) {
	cl := &c.clients[i]
	id := max(c.clock.Load()/1e9<<32, cl.lastID+4)
	seq := 2*cl.content + 1
	cl.content++
	payload := make([]byte, 0, 160+len(body))
	if cl.waiting == 0 {
		payload = append(wire.AppendMessageHeader(payload, id, seq, len(body)), body...)
	} else {
		ack := wire.AppendAck(nil, cl.acks[:cl.waiting])
		cl.waiting = 0
		size := wire.Container + 2*wire.MessageHeader + len(body) + len(ack)
		payload = wire.AppendContainer(wire.AppendMessageHeader(payload, id+8, seq+1, size), 2)
		payload = append(wire.AppendMessageHeader(payload, id, seq, len(body)), body...)
		payload = append(wire.AppendMessageHeader(payload, id+4, seq+1, len(ack)), ack...)
		id += 8
	}
	cl.lastID = id
	payload = append(payload, make([]byte, wire.MinPadding)...)
	in := &sess.Data{
		ServerID: strings.Clone(crowdGateway), ClientIP: strings.Clone("203.0.113.77"),
		AuthKeyID: -int64(i) - 1, KeyType: sess.TempKey, SessionID: int64(i) + 1, Salt: crowdSalt, Payload: payload,
	}
	err := c.resolver.Resolve(in.AuthKeyID, keys.Claim{Type: int32(sess.TempKey)}, func(k keys.Key, err error) {
		require.NoError(c.tb, err)
		require.NoError(c.tb, c.Post(k.Perm, k.Unbound(), in))
	})
	require.NoError(c.tb, err)
}

// rest returns when nothing is under way.
func (c *crowd) rest() {
	c.resolver.Wait()
	c.Wait()
}

// login has every client ask for updates.getState as the first call of its
// session, within a minute.
func (c *crowd) login() {
	c.minute(c.getState)
	for i := range c.clients {
		require.NotZero(c.tb, c.clients[i].waiting, "client %d has no answer", i)
	}
	require.Equal(c.tb, len(c.clients), c.Count())
}

// minute lets one go by, tick by tick of the wheel, in which every client
// sends body once.
func (c *crowd) minute(body []byte) {
	const ticks = int(time.Minute / wheelTick)
	next := 0
	for tick := range ticks {
		c.clock.Add(int64(wheelTick))
		c.Advance()
		for due := (tick + 1) * len(c.clients) / ticks; next < due; next++ {
			c.send(next, body)
		}
		c.rest()
	}
}

func pingBody() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, wire.IDPing), 1)
}

// initConnection is the first call of a usual client.
func initConnection(method uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, wire.IDInvokeWithLayer)
	b = binary.LittleEndian.AppendUint32(b, 223)
	b = binary.LittleEndian.AppendUint32(b, wire.IDInitConnection)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 4)
	for _, s := range []string{"Pixel 9", "SDK 36", "12.1.0", "en-us", "android", "en"} {
		b = wire.AppendBytes(b, s)
	}
	return binary.LittleEndian.AppendUint32(b, method)
}
