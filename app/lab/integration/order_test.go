package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
)

// idAt is a message id of another time.
func (c *client) idAt(offset time.Duration) int64 {
	return c.msgID() + int64(offset/time.Second)<<32
}

// Weakness 26: replays inside a container were taken, slow clocks were not, and
// the codes that say so were never sent.
func TestWeakness26IdsAreJudgedByTheSpecification(t *testing.T) {
	c := share(t)
	k := c.newKey(0)
	ping := func(cl *client, id int64) mtp.Message {
		body := encode(t, &mt.PingRequest{PingID: 1})
		return mtp.Message{ID: id, SeqNo: int(cl.seqNo(true)), Bytes: len(body), Body: body}
	}
	for _, one := range []struct {
		name   string
		offset time.Duration
		inside bool
		code   int // 0: taken
	}{
		{"two minutes behind", -120 * time.Second, false, 0},
		{"more than five minutes behind", -310 * time.Second, false, 16},
		{"a little ahead", 20 * time.Second, false, 0},
		{"minutes ahead", 200 * time.Second, false, 17},
		{"a member of a day ago, in a session that has forgotten nothing", -24 * time.Hour, true, 0},
		{"a member of two minutes ago", -120 * time.Second, true, 0},
	} {
		t.Run(one.name, func(t *testing.T) {
			cl := c.open(k)
			m := ping(cl, cl.idAt(one.offset))
			if one.inside {
				cl.sendContainer([]mtp.Message{m})
			} else {
				require.NoError(t, cl.sendPacket(packet(m.ID, int32(m.SeqNo), m.Body)))
			}
			if one.code == 0 {
				cl.pong(m.ID)
			} else {
				require.Equal(t, one.code, cl.badMsg(m.ID))
			}
		})
	}
	t.Run("state 1", func(t *testing.T) {
		cl := c.open(k)
		cl.ping()
		req := cl.service(&mt.MsgsStateReq{MsgIDs: []int64{cl.idAt(-24 * time.Hour)}})
		cl.await("msgs_state_info", func(m message) bool {
			var info mt.MsgsStateInfo
			if m.constructor() != mt.MsgsStateInfoTypeID || decode(m.body, &info) != nil || info.ReqMsgID != req {
				return false
			}
			require.Equal(t, []byte{1}, info.Info)
			return true
		})
	})
	bad := map[int]func(cl *client) int64{
		18: func(cl *client) int64 {
			id := cl.msgID() | 1
			_ = cl.sendPacket(packet(id, cl.seqNo(true), encode(t, &mt.PingRequest{})))
			return id
		},
		19: func(cl *client) int64 {
			id := cl.send(encode(t, &mt.PingRequest{}), true)
			body := encode(t, &mtp.MessageContainer{Messages: []mtp.Message{ping(cl, id-4)}})
			_ = cl.sendPacket(packet(id, cl.seqNo(false), body))
			return id
		},
		32: func(cl *client) int64 {
			cl.send(encode(t, getSelf), true)
			cl.content = 0
			return cl.send(encode(t, getSelf), true)
		},
		33: func(cl *client) int64 {
			early := cl.msgID()
			cl.send(encode(t, getSelf), true)
			cl.content += 10
			_ = cl.sendPacket(packet(early, cl.seqNo(true), encode(t, getSelf)))
			return early
		},
		35: func(cl *client) int64 { return cl.send(encode(t, getSelf), false) },
	}
	for code, provoke := range bad {
		t.Run(fmt.Sprint("code ", code), func(t *testing.T) {
			cl := c.open(k)
			require.Equal(t, code, cl.badMsg(provoke(cl)))
		})
	}
}

// Weakness 27: the messages and wrappers that say how a call is to be made, or
// that it is not wanted any more, had no effect.
func TestWeakness27EveryServiceMessageDoesWhatItSays(t *testing.T) {
	t.Parallel()
	t.Run("rpc_drop_answer", func(t *testing.T) {
		c := share(t)
		cl := c.newUser(newUserID())
		release := c.hold(getUsers, &tg.UserClassVector{})
		call := cl.call(getSelf)
		eventually(t, "the call runs", func() bool { return len(c.bff.seen(getUsers)) == 1 })
		drop := func(id int64) uint32 {
			answer := bin.Buffer{Buf: cl.result(cl.call(&mt.RPCDropAnswerRequest{ReqMsgID: id}))}
			what, err := answer.PeekID()
			require.NoError(t, err)
			return what
		}
		require.EqualValues(t, mt.RPCAnswerDroppedRunningTypeID, drop(call))
		release()
		for _, m := range cl.all(500 * time.Millisecond) {
			if answered(m) == call {
				b := bin.Buffer{Buf: m.body[12:]}
				require.NoError(t, b.ConsumeID(mt.RPCAnswerDroppedRunningTypeID), "the answer came all the same")
			}
		}
		require.EqualValues(t, mt.RPCAnswerUnknownTypeID, drop(cl.msgID()))
		c.answer(nearestDC, anywhereDC)
		done := cl.call(getDC)
		cl.result(done)
		require.EqualValues(t, mt.RPCAnswerDroppedTypeID, drop(done))
		cl.hangUp()
		cl.redial()
		for _, m := range cl.until() {
			require.NotEqual(t, done, answered(m), "the answer came all the same")
		}
	})
	after := func(wrap func(first int64) bin.Object) func(t *testing.T) {
		return func(t *testing.T) {
			c := share(t)
			cl := c.newUser(newUserID())
			release := c.hold(getUsers, &tg.UserClassVector{})
			c.answer(nearestDC, anywhereDC)
			first := cl.call(getSelf)
			second := cl.call(wrap(first))
			eventually(t, "the first call runs", func() bool { return len(c.bff.seen(getUsers)) == 1 })
			cl.ping()
			require.Empty(t, c.bff.seen(nearestDC), "the second waits for the first")
			release()
			cl.result(second)

			c.bff.on(getUsers, func(context.Context, bffCall) ([]byte, error) { return nil, status.Error(420, "FLOOD_WAIT_3") })
			failed := cl.call(getSelf)
			cl.requireRefused(wrap(failed), 500, "MSG_WAIT_FAILED")
		}
	}
	t.Run("invokeAfterMsg", after(func(id int64) bin.Object { return &tg.InvokeAfterMsgRequest{MsgID: id, Query: getDC} }))
	t.Run("invokeAfterMsgs", after(func(id int64) bin.Object { return &tg.InvokeAfterMsgsRequest{MsgIDs: []int64{id}, Query: getDC} }))
	t.Run("invokeWithoutUpdates", func(t *testing.T) {
		c := share(t)
		cl := c.newClient()
		c.login(cl.key, newUserID())
		c.answer(nearestDC, anywhereDC)
		file, main := c.open(cl.key), c.open(cl.key)
		main.result(main.call(initialised(t, getDC)))
		file.result(file.call(&tg.InvokeWithoutUpdatesRequest{Query: getDC})) // the latest, but for files
		c.push(cl.key, c.updates(&tg.UpdatesTooLong{}))
		main.awaitConstructor(tg.UpdatesTooLongTypeID)
		require.Zero(t, count(file.until(), tg.UpdatesTooLongTypeID))
	})
	t.Run("msg_copy", func(t *testing.T) {
		c := share(t)
		cl := c.newUser(newUserID())
		c.answer(nearestDC, anywhereDC)
		inner := cl.members(encode(t, getDC))[0]
		var b bin.Buffer
		b.PutID(mt.MsgCopyTypeID)
		require.NoError(t, inner.Encode(&b))
		cl.send(b.Buf, false)
		cl.result(inner.ID)
	})
	t.Run("ping_delay_disconnect", func(t *testing.T) {
		c := share(t)
		cl := c.newUser(newUserID())
		eventually(t, "the user is online", func() bool { return c.status.entry(cl.key.perm) != nil })
		cl.pong(cl.send(encode(t, &mt.PingDelayDisconnectRequest{PingID: 1, DisconnectDelay: 1}), true))
		require.NotNil(t, c.status.entry(cl.key.perm), "closing the connection is the gateway's")
	})
	t.Run("get_future_salts", func(t *testing.T) {
		c := share(t)
		cl := c.newClient()
		for _, num := range []int{1, 3} {
			id := cl.send(encode(t, &mt.GetFutureSaltsRequest{Num: num}), true)
			var salts mt.FutureSalts
			require.NoError(t, decode(cl.awaitConstructor(mt.FutureSaltsTypeID).body, &salts))
			require.Equal(t, id, salts.ReqMsgID)
			require.Len(t, salts.Salts, num)
		}
	})
	t.Run("http_wait", func(t *testing.T) {
		c := share(t)
		cl := newHTTPClient(t, c)
		cl.ping()
		started := time.Now()
		cl.send(encode(t, &mt.HTTPWaitRequest{MaxWait: 700}), false)
		select {
		case reply := <-cl.conn:
			require.Less(t, len(reply), 200, "an empty packet, but for acknowledgments")
		case <-time.After(10 * time.Second):
			t.Fatal("the request was never answered")
		}
		require.Greater(t, time.Since(started), 500*time.Millisecond)
	})
}

// Weakness 32: updates overtook the difference that was being fetched.
func TestWeakness32UpdatesDoNotOvertakeTheDifference(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	const difference = "/mtproto.RPCUpdates/updates_getDifference"
	release := c.hold(difference, &tg.UpdatesDifferenceEmpty{Date: 1, Seq: 1})
	cl.call(&tg.UpdatesGetDifferenceRequest{Pts: 1, Date: 1})
	eventually(t, "the difference is being fetched", func() bool { return len(c.bff.seen(difference)) == 1 })
	c.push(cl.key, c.updates(&tg.UpdateShort{Update: &tg.UpdateUserTyping{UserID: 7, Action: &tg.SendMessageTypingAction{}}, Date: 1}))
	require.Zero(t, count(cl.until(), tg.UpdateShortTypeID))
	release()
	var order []uint32
	cl.await("the difference and the update", func(m message) bool {
		switch m.constructor() {
		case mtp.ResultTypeID, tg.UpdateShortTypeID:
			order = append(order, m.constructor())
		}
		return len(order) == 2
	})
	require.Equal(t, []uint32{mtp.ResultTypeID, tg.UpdateShortTypeID}, order)
}

// Weakness 40: packets that arrived in another order than they were sent made
// the session new again.
func TestWeakness40ReorderedPacketsResetNothing(t *testing.T) {
	c := share(t)
	cl := c.newClient()
	c.login(cl.key, newUserID())
	c.answer(nearestDC, anywhereDC)
	m := cl.members(encode(t, getDC), encode(t, getDC), encode(t, &mt.PingRequest{}))
	for i := len(m) - 1; i >= 0; i-- {
		require.NoError(t, cl.sendPacket(packet(m[i].ID, int32(m[i].SeqNo), m[i].Body)))
	}
	var said []message
	cl.await("both answers", func(one message) bool {
		said = append(said, one)
		return count(said, mtp.ResultTypeID) == 2
	})
	said = append(said, cl.until()...)
	require.Equal(t, 1, count(said, mt.NewSessionCreatedTypeID))
	require.Zero(t, count(said, mt.BadMsgNotificationTypeID))
}
