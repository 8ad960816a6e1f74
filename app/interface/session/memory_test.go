//go:build !race

// Memory is not what it is with the race detector.
package session

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/session"
)

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
