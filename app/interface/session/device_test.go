package session

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/tgsession/tgsession/proto/session"
)

// device is a client as its gateway sees it: packets without encryption.
type device struct {
	c       *cluster
	auth    int64
	perm    int64
	kind    int32
	session int64
	last    int64
	seq     int32
	read    int  // packets of the gateway that were looked at
	met     bool // its gateway knows the session
}

func (c *cluster) device(auth int64, kind int32, perm int64) *device {
	var id [8]byte
	_, _ = rand.Read(id[:])
	return &device{c: c, auth: auth, kind: kind, perm: perm, session: int64(binary.LittleEndian.Uint64(id[:]))}
}

// packet is a payload with one content message; it returns the message id.
func (d *device) packet(body []byte) ([]byte, int64) {
	id := time.Now().Unix()<<32 | int64(time.Now().Nanosecond()&^3)
	if id <= d.last {
		id = d.last + 4
	}
	d.last = id
	out := binary.LittleEndian.AppendUint64(nil, uint64(id))
	out = binary.LittleEndian.AppendUint32(out, uint32(d.seq*2+1))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(body)))
	d.seq++
	return append(append(out, body...), make([]byte, 16)...), id
}

func (d *device) data(body []byte) (*session.SessionClientData, int64) {
	payload, id := d.packet(body)
	conn := int32(0)
	if !d.met {
		conn, d.met = 1, true
	}
	return &session.SessionClientData{
		ConnType: conn,
		ServerId: d.c.addr["gateway"], AuthKeyId: d.auth, KeyType: d.kind, PermAuthKeyId: d.perm,
		SessionId: d.session, ClientIp: "203.0.113.7", Salt: salt, Payload: payload,
	}, id
}

func ids(v ...uint32) (out []byte) {
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, x)
	}
	return out
}

var (
	ping     = append(ids(0x7abe77ec), 1, 2, 3, 4, 5, 6, 7, 8)
	getUsers = ids(0x0d91a548, 0x1cb5c415, 0) // users.getUsers of nobody
	getState = ids(0xedd4882a)
	httpWait = ids(0x9299359f, 0, 0, 25000)
)

const (
	pong           = 0x347773c5
	rpcResult      = 0xf35c6d01
	rpcError       = 0x2144ca19
	updatesTooLong = 0xe317af7e
)

type message struct {
	id   int64
	body []byte
}

func (m message) constructor() uint32 { return binary.LittleEndian.Uint32(m.body) }

// messages splits a payload for a client.
func messages(payload []byte) (out []message) {
	return split(payload[16:], out)
}

func split(b []byte, out []message) []message {
	id, n := int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[12:])
	body := b[16 : 16+n]
	if binary.LittleEndian.Uint32(body) != 0x73f1f8dc {
		return append(out, message{id, body})
	}
	count := binary.LittleEndian.Uint32(body[4:])
	body = body[8:]
	for range count {
		n := binary.LittleEndian.Uint32(body[12:])
		out = split(body[:16+n], out)
		body = body[16+n:]
	}
	return out
}

// await returns the first message of the device's session that fits.
func (d *device) await(what string, fits func(message) bool) (found message) {
	d.c.t.Helper()
	eventually(d.c.t, what, func() bool {
		d.c.gate.mu.Lock()
		defer d.c.gate.mu.Unlock()
		for ; d.read < len(d.c.gate.packets); d.read++ {
			p := d.c.gate.packets[d.read]
			if p.SessionId != d.session {
				continue
			}
			for _, m := range messages(p.Payload) {
				if fits(m) {
					found = m
					d.read++
					return true
				}
			}
		}
		return false
	})
	return found
}

// result waits for the rpc_result of a call and returns what is inside.
func (d *device) result(id int64) []byte {
	d.c.t.Helper()
	return d.await("rpc_result", func(m message) bool { return resultOf(m, id) }).body[12:]
}

func resultOf(m message, id int64) bool {
	return m.constructor() == rpcResult && int64(binary.LittleEndian.Uint64(m.body[4:])) == id
}
