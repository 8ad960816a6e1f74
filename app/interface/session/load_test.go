package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/session"
)

// Weakness 57: the salts of every key that had ever come were kept, in effect
// without end. Whatever belongs to a key now goes with it.
func TestWeakness57KeysThatLeaveLeaveNothing(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Session.IdleClose = 200 * time.Millisecond })
	for key := int64(1); key <= 300; key++ {
		c.auth.add(key, 0, 0)
		d := c.device(key, 0, key)
		n.send(t, d, ping)
		d.await("pong", func(m message) bool { return m.constructor() == pong })
		_, err := n.rpc.SessionCloseSession(t.Context(), &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
			ServerId: c.addr["gateway"], AuthKeyId: key, PermAuthKeyId: key, SessionId: d.session,
		}})
		require.NoError(t, err)
	}
	eventually(t, "no key in memory", func() bool { return n.svc.Runloop.Count() == 0 })
}

// Weakness 58: every call of a key without a login read its state anew.
func TestWeakness58RefusedCallsSpareAuthsession(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	c.auth.add(permA, 0, 0)
	d := c.device(permA, 0, permA)
	start := time.Now()
	for range 100 {
		requireError(t, d.result(n.send(t, d, getUsers)), 401, "AUTH_KEY_UNREGISTERED")
	}
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	// One when the key came, one before the first refusal, and one every two
	// seconds after that.
	require.LessOrEqual(t, c.auth.reads, 3+int(time.Since(start)/(2*time.Second)))
}
