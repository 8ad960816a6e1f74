package integration

import (
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// Weakness 53: a push that took too long was answered with a status on which
// sync never again used the node.
func TestWeakness53PushesAreTakenAtOnce(t *testing.T) {
	c := share(t)
	silent := c.playGateway(t, true)
	user := newClient(t, c.conn, silent, c.newKey(0))
	c.login(user.key, newUserID())
	c.initialise(user)
	defer silent.hold()()
	started := time.Now()
	for i := range 20 {
		res, err := session.NewRPCSessionClient(c.conn).SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{
			PermAuthKeyId: user.key.perm, Updates: c.typing(int64(i)),
		})
		require.NoError(t, err)
		require.Equal(t, "boolTrue", res.PredicateName)
	}
	require.Less(t, time.Since(started), 30*time.Second, "two seconds each are 40")
	// Nor does a push without a key in memory ask anybody.
	_, err := session.NewRPCSessionClient(c.conn).SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{
		PermAuthKeyId: int64Random(), Updates: c.typing(1),
	})
	require.NotContains(t, []uint32{4, 14}, uint32(status.Code(err)))
}

// Weakness 54: packets for gateways were sent where the key's own work was
// done, so that a gateway that took nothing froze the key for two seconds a
// packet.
func TestWeakness54SilentGatewayDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]bool{"streams": true, "unary": false} {
		t.Run(name, func(t *testing.T) {
			c := share(t)
			silent := c.playGateway(t, stream)
			well := c.newUser(newUserID())
			stuck := newClient(t, c.conn, silent, well.key) // the same key, at another gateway
			stuck.ping()
			release := silent.hold()
			defer release()
			c.answer(nearestDC, anywhereDC)
			for range 50 {
				stuck.call(getDC)
			}
			for range 5 {
				started := time.Now()
				well.result(well.call(getDC))
				require.Less(t, time.Since(started), 50*time.Second, "fifty packets, two seconds each, are 100")
			}
			c.newClient().ping()
		})
	}
}

// Weakness 55: gateways that had left were never let go of, and one that died
// took what was on its way with it.
func TestWeakness55GatewaysComeAndGo(t *testing.T) {
	t.Parallel()
	t.Run("one that leaves is let go of", func(t *testing.T) {
		c := share(t)
		leaving := c.playGateway(t, true)
		newClient(t, c.conn, leaving, c.newKey(0)).ping()
		require.EqualValues(t, 1, leaving.streams.Load())
		leaving.leave()
		eventually(t, "its stream is closed", func() bool { return leaving.streams.Load() == 0 })
	})
	t.Run("one that dies costs no answer", func(t *testing.T) {
		c := share(t)
		dying := c.playGateway(t, true)
		cl := newClient(t, c.conn, dying, c.newKey(0))
		c.login(cl.key, newUserID())
		c.initialise(cl)
		release := c.hold(getUsers, &tg.UserClassVector{})
		call := cl.call(getSelf)
		eventually(t, "the call runs", func() bool { return len(c.bff.seen(getUsers)) == 1 })
		panics := c.panics()
		dying.server.Stop()
		release()
		c.push(cl.key, c.typing(7))
		dying.leave()

		cl.gateway = c.gateway
		cl.redial()
		cl.send(encode(t, &mt.PingRequest{PingID: 1}), true)
		var answer, update bool
		cl.await("answer and update", func(m message) bool {
			answer = answer || answered(m) == call
			update = update || m.constructor() == tg.UpdateShortTypeID || m.constructor() == tg.UpdatesTooLongTypeID
			return answer && update
		})
		require.Len(t, c.bff.seen(getUsers), 1)
		require.Equal(t, panics, c.panics())
	})
}
