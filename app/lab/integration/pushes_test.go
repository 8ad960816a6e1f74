package integration

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// typing is an update that says who sent it.
func (c *cluster) typing(user int64) []byte {
	return c.updates(&tg.UpdateShort{Update: &tg.UpdateUserTyping{UserID: user, Action: &tg.SendMessageTypingAction{}}, Date: 1})
}

// Weakness 30: new_session_created was sent twice, and again after every
// reconnect, each time with another unique_id: clients fetched the difference
// for nothing.
func TestWeakness30NewSessionIsAnnouncedOnce(t *testing.T) {
	c := share(t)
	cl := c.newClient()
	c.login(cl.key, newUserID())
	c.answer(nearestDC, anywhereDC)
	cl.container(encode(t, getDC), encode(t, &mt.PingRequest{PingID: 1}))
	said := cl.until()
	require.Equal(t, 1, count(said, mt.NewSessionCreatedTypeID))
	for _, m := range said {
		if m.constructor() == mt.NewSessionCreatedTypeID {
			cl.service(&mt.MsgsAck{MsgIDs: []int64{m.id}})
		}
	}
	for range 3 {
		cl.hangUp()
		cl.redial()
		require.Zero(t, count(cl.until(), mt.NewSessionCreatedTypeID))
	}
}

// Weakness 31: destroy_session said ok of sessions that never were, and after
// the end of the one that took the updates these went nowhere.
func TestWeakness31DestroyedSessionTakesNoUpdatesAlong(t *testing.T) {
	c := share(t)
	main := c.newUser(newUserID())
	other := c.open(main.key)
	destroy := func(id int64) uint32 {
		other.send(encode(t, &mt.DestroySessionRequest{SessionID: id}), true)
		m := other.await("destroy_session_*", func(m message) bool {
			return m.constructor() == mt.DestroySessionOkTypeID || m.constructor() == mt.DestroySessionNoneTypeID
		})
		return m.constructor()
	}
	require.EqualValues(t, mt.DestroySessionNoneTypeID, destroy(int64Random()))
	require.EqualValues(t, mt.DestroySessionNoneTypeID, destroy(other.id), "nobody destroys itself")
	require.EqualValues(t, mt.DestroySessionOkTypeID, destroy(main.id))
	require.EqualValues(t, mt.DestroySessionNoneTypeID, destroy(main.id))
	c.push(main.key, c.typing(7))
	c.answer(nearestDC, anywhereDC)
	other.call(getDC) // from here on it takes updates
	other.awaitConstructor(tg.UpdateShortTypeID)
}

// Weakness 33: updates were dropped while no session had asked for them, as
// after a new state of the key or a new temp key.
func TestWeakness33UpdatesWaitForASession(t *testing.T) {
	t.Parallel()
	arrives := func(c *cluster, cl *client) {
		c.t.Helper()
		c.push(cl.key, c.typing(7))
		require.Zero(c.t, count(cl.until(), tg.UpdateShortTypeID), "the session has not asked for any")
		c.answer(nearestDC, anywhereDC)
		cl.call(getDC)
		cl.await("the update", func(m message) bool { return m.constructor() == tg.UpdateShortTypeID })
	}
	t.Run("after a new state of the key", func(t *testing.T) {
		c := share(t)
		cl := c.newUser(newUserID())
		cl.forgotten()
		arrives(c, cl)
	})
	t.Run("beside a new temp key", func(t *testing.T) {
		c := share(t)
		perm := c.newKey(0)
		c.login(perm, newUserID())
		var cl, first *client
		for range 2 {
			cl = c.open(c.newKey(1))
			require.True(t, isTrue(cl.bind(perm)))
			cl.key.perm = perm.id()
			if c.bff.seen(getState) == nil {
				c.initialise(cl)
				first = cl
			}
		}
		c.push(cl.key, c.typing(7))
		first.awaitConstructor(tg.UpdateShortTypeID) // its key is as good as before
	})
}

// Weakness 34: the session that takes push messages was forgotten when it was
// named before it was there, and with every new state of the key; half of all
// session ids could not be named at all.
func TestWeakness34PushSessionIsWoken(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]func(int64) string{
		"signed":   func(id int64) string { return strconv.FormatInt(id, 10) },
		"unsigned": func(id int64) string { return strconv.FormatUint(uint64(id), 10) },
	} {
		t.Run(name, func(t *testing.T) {
			c := share(t)
			main := c.newUser(newUserID())
			push := c.open(main.key)
			c.gateway.close(connKey{push.key.id(), push.id})
			push.id |= -1 << 63
			push.redial()
			const register = "/mtproto.RPCNotification/account_registerDevice"
			c.answer(register, &tg.BoolTrue{})
			main.result(main.call(&tg.AccountRegisterDeviceRequest{TokenType: 7, Token: form(push.id)}))
			woken := func() {
				t.Helper()
				push.until()
				_, err := session.NewRPCSessionClient(c.conn).SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{
					PermAuthKeyId: main.key.perm, Notification: true, Updates: c.typing(7),
				})
				require.NoError(t, err)
				push.awaitConstructor(tg.UpdatesTooLongTypeID)
			}
			woken()
			main.hangUp()
			push.forgotten()
			woken()
		})
	}
}

// Weakness 35: a pushed answer waited for the next second, went to whichever
// key had such a session, and was waited for even where nobody had promised
// one.
func TestWeakness35PromisedAnswersComeAtOnceAndToTheirKey(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	temp := c.open(c.newKey(1))
	require.True(t, isTrue(temp.bind(cl.key)))
	temp.key.perm = cl.key.id()
	c.gateway.close(connKey{temp.key.id(), temp.id})
	temp.id = cl.id // ids of sessions are a key's own
	temp.redial()

	c.bff.on(nearestDC, func(context.Context, bffCall) ([]byte, error) { return nil, status.Error(700, "NOTRETURN_CLIENT") })
	promised, atOnce := 0, 0
	answers := func() {
		cl.lastID = max(cl.lastID, temp.lastID)
		id := cl.msgID()
		temp.lastID = id
		for _, one := range []*client{cl, temp} {
			require.NoError(t, one.sendPacket(packet(id, one.seqNo(true), encode(t, getDC))))
		}
		promised += 2
		eventually(t, "both calls are promised an answer", func() bool { return len(c.bff.seen(nearestDC)) == promised })
		for _, one := range []*client{temp, cl} {
			started := time.Now()
			_, err := session.NewRPCSessionClient(c.conn).SessionPushRpcResultData(t.Context(), &session.TLSessionPushRpcResultData{
				PermAuthKeyId: cl.key.id(), AuthKeyId: one.key.id(), SessionId: cl.id, ClientReqMsgId: id,
				RpcResultData: encode(t, &mtp.Result{RequestMessageID: id, Result: encode(t, &tg.NearestDC{Country: fmt.Sprint(one.key.id())})}),
			})
			require.NoError(t, err)
			var dc tg.NearestDC
			require.NoError(t, decode(one.result(id), &dc))
			require.Equal(t, fmt.Sprint(one.key.id()), dc.Country)
			if atOnce++; time.Since(started) >= 300*time.Millisecond {
				atOnce = 0 // it waited for the next second, or the machine is busy
			}
		}
	}
	eventually(t, "ten answers in a row come at once", func() bool {
		answers()
		return atOnce >= 10
	})

	c.bff.on(nearestDC, func(context.Context, bffCall) ([]byte, error) { return nil, status.Error(700, "MIGRATED_TO_CHANNEL") })
	cl.requireRefused(getDC, 400, "MIGRATED_TO_CHANNEL")
}
