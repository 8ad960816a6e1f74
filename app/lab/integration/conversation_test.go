package integration

import (
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/session"
)

// What tests say as clients, beyond single messages.

// ping sends a ping and waits for its pong.
func (c *client) ping() {
	c.t.Helper()
	id := c.send(encode(c.t, &mt.PingRequest{PingID: 1}), true)
	c.pong(id)
}

// pong waits for the pong of a ping.
func (c *client) pong(id int64) {
	c.t.Helper()
	c.await("pong", func(m message) bool {
		var p mt.Pong
		return m.constructor() == mt.PongTypeID && decode(m.body, &p) == nil && p.MsgID == id
	})
}

// service sends a service message, which is no content, and returns its id.
func (c *client) service(e bin.Encoder) int64 {
	c.t.Helper()
	return c.send(encode(c.t, e), false)
}

// messages lays messages out as members of a container, with fresh ids.
func (c *client) members(bodies ...[]byte) (members []mtp.Message) {
	for _, body := range bodies {
		members = append(members, mtp.Message{ID: c.msgID(), SeqNo: int(c.seqNo(true)), Bytes: len(body), Body: body})
	}
	return members
}

// sendContainer sends members as one container.
func (c *client) sendContainer(members []mtp.Message) {
	c.t.Helper()
	body := encode(c.t, &mtp.MessageContainer{Messages: members})
	require.NoError(c.t, c.sendPacket(packet(c.msgID(), c.seqNo(false), body)))
}

// container packs messages into one and sends it.
func (c *client) container(bodies ...[]byte) (ids []int64) {
	c.t.Helper()
	members := c.members(bodies...)
	for _, m := range members {
		ids = append(ids, m.ID)
	}
	c.sendContainer(members)
	return ids
}

// all returns what the server says until it has been silent for a while.
func (c *client) all(quiet time.Duration) (out []message) {
	c.t.Helper()
	for {
		m, ok := c.next(quiet)
		if !ok {
			return out
		}
		out = append(out, m)
	}
}

// until returns what the server says up to the pong of a ping sent now.
func (c *client) until() (out []message) {
	c.t.Helper()
	id := c.send(encode(c.t, &mt.PingRequest{PingID: 2}), true)
	c.await("pong", func(m message) bool {
		var p mt.Pong
		if m.constructor() == mt.PongTypeID && decode(m.body, &p) == nil && p.MsgID == id {
			return true
		}
		out = append(out, m)
		return false
	})
	return out
}

// count counts messages of a constructor.
func count(messages []message, constructor uint32) (n int) {
	for _, m := range messages {
		if m.constructor() == constructor {
			n++
		}
	}
	return n
}

// hangUp closes the connection: the gateway says so to session.
func (c *client) hangUp() {
	c.t.Helper()
	c.gateway.close(connKey{c.key.id(), c.id})
	_, err := c.session.SessionCloseSession(c.t.Context(), &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
		ServerId: c.gateway.addr, AuthKeyId: c.key.id(), KeyType: c.key.typ, PermAuthKeyId: c.key.perm, SessionId: c.id,
	}})
	require.NoError(c.t, err)
	c.pending = nil
}

// redial opens a new connection for the session.
func (c *client) redial() {
	c.conn, c.fresh = c.gateway.open(connKey{c.key.id(), c.id}), true
}

// greeting is longer than a session waits for what its first packet overtook.
const greeting = 300 * time.Millisecond

// forgotten stays away for so long that session forgets the session, and with
// it the key when it has no other, and comes back.
func (c *client) forgotten() {
	c.t.Helper()
	eventually(c.t, "the session is forgotten", func() bool {
		c.hangUp()
		time.Sleep(sharedIdle + 300*time.Millisecond)
		c.redial()
		heard := c.until()
		time.Sleep(greeting) // a session that has begun before is announced a moment later
		return count(append(heard, c.until()...), mt.NewSessionCreatedTypeID) > 0
	})
}
