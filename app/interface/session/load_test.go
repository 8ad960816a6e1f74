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
	n := c.start(func(conf *Config) { conf.Session.IdleClose, conf.Session.MaxPast = 200*time.Millisecond, 2*time.Second })
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
		d.result(n.send(t, d, ids(0xc4f9186b))) // help.getConfig, for which there need be no login
	}
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	// One when the key came, one before the first refusal, and one every two
	// seconds after that.
	require.LessOrEqual(t, c.auth.reads, 3+int(time.Since(start)/(2*time.Second)))
}
