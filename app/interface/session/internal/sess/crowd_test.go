package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A key whose 64 sessions acknowledged nothing held 64 times as much as one session
// may, for as long as it sent a ping now and then.
func TestSessionsOfAKeyKeepLittleTogether(t *testing.T) {
	const sessions, each, size = 16, 8, 25 << 10
	held := func(x *world) (n int) {
		for s := range x.w.sessions() {
			n += s.bytes
		}
		return n
	}
	bytes := func(x *world, sid int64) int { return x.w.mainAuth.find(sid).bytes }
	for name, c := range map[string]struct {
		user   int64
		most   int
		gone   bool // the clients leave before they are answered
		closed bool // the sessions are offline afterwards
	}{
		"with a login":                 {user: alice, most: 1 << 20},
		"with a login, offline":        {user: alice, most: 1 << 20, closed: true},
		"with a login, never sent":     {user: alice, most: 1 << 20, gone: true},
		"without a login":              {most: 1 << 17},
		"without a login, and offline": {most: 1 << 17, closed: true},
		"without a login, never sent":  {most: 1 << 17, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false, func(c *Config) {
				c.OutboxBytes, c.AnswerBytes, c.KeyBytes = 1<<17, 1<<18, 1<<20
				c.ContainerBytes, c.PayloadBytes = 1<<15, 1<<16
			})
			if c.user == 0 {
				x.state = AuthState{State: StateUnauthorized}
			}
			var asked []wire.Message
			for sid := range int64(sessions) {
				x.recv(sid+1, tlPing(1))
				for range each {
					m := x.recv(sid+1, x.method("help.getNearestDc"))
					if sid == 0 {
						asked = append(asked, m)
					}
					if c.gone {
						x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid + 1})
					}
					x.answer("help.getNearestDc", nearestDC(incompressible(size)))
					require.LessOrEqual(t, held(x), c.most)
				}
				if c.closed {
					x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid + 1})
				}
				x.advance(time.Second)
			}
			require.Greater(t, held(x), c.most*3/4, "no more is given up than needed")
			require.Less(t, bytes(x, 1), size, "what was silent longest gives way")
			require.Greater(t, bytes(x, sessions), size, "what spoke last does not")
			x.take()
			x.step(x.data(1, asked[0])) // again
			require.Equal(t, "500 ANSWER_FORGOTTEN", x.rpcError(x.take(), asked[0].ID))
			check(t, x)
		})
	}
}

// Updates give way last, and all of them: a client that lacks some fetches all.
func TestUpdatesOfACrowdedKeyCollapse(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.OutboxBytes, c.AnswerBytes, c.KeyBytes = 10_000, 10_000, 10_000 })
	x.login(1)
	for n := range 20 {
		x.step(&PushUpdates{Updates: x.updates(n)})
	}
	x.advance(time.Second)
	x.recv(2, tlPing(1))
	x.take()
	x.recv(2, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC(incompressible(9_800)))
	require.Len(t, x.takeOnly(wire.IDUpdatesTooLong), 1)
	require.Equal(t, 20, x.counts[CountPushesLost])
	check(t, x)
}
