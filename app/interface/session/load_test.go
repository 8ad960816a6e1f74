package session

import (
	"runtime"
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

// Weakness 57: memory grew with every key ever seen, and none of it was given
// back.
func TestWeakness57MemoryIsGivenBack(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Session.IdleClose, conf.Session.MaxPast = 100*time.Millisecond, 2*time.Second })
	const keys, rounds = 1500, 5
	seen := int64(0)
	for key := range int64(keys * (rounds + 1)) {
		c.auth.add(key+1, 0, 0)
	}
	round := func() int64 {
		for range keys {
			seen++
			d := c.device(seen, 0, seen)
			n.send(t, d, ping)
			d.await("pong", func(m message) bool { return m.constructor() == pong })
			_, err := n.rpc.SessionCloseSession(t.Context(), &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
				ServerId: c.addr["gateway"], AuthKeyId: seen, PermAuthKeyId: seen, SessionId: d.session,
			}})
			require.NoError(t, err)
		}
		c.gate.mu.Lock()
		c.gate.packets = nil
		c.gate.mu.Unlock()
		eventually(t, "no key in memory", func() bool { return n.svc.Runloop.Count() == 0 })
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	// One round without growth will do: what is kept of each key shows in all.
	last, least := round(), int64(1<<62)
	for range rounds {
		now := round()
		if least = min(least, (now-last)/keys); least < 64 {
			return
		}
		last = now
	}
	t.Errorf("%d bytes a key stay", least)
}
