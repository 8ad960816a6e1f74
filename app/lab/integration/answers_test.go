package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	getDC      = &tg.HelpGetNearestDCRequest{}
	anywhereDC = &tg.NearestDC{Country: "ZZ", ThisDC: 1, NearestDC: 1}
)

// answered is the call that a message answers; 0: none.
func answered(m message) int64 {
	if m.constructor() != mtp.ResultTypeID {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(m.body[4:]))
}

// answer waits for the answer of a call, as a message.
func (c *client) answer(msgID int64) message {
	c.t.Helper()
	return c.await("rpc_result", func(m message) bool { return answered(m) == msgID })
}

// Weakness 18: a wrapper around nothing that can be read was never answered.
func TestWeakness18EveryWrapperIsAnswered(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	wrap := func(head bin.Encoder, inner ...uint32) rawTL {
		b := encode(t, head)
		b = b[:len(b)-4] // without the call inside
		for _, v := range inner {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	whole := &tg.HelpGetNearestDCRequest{}
	for name, head := range map[string]bin.Encoder{
		"invokeWithLayer":      &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: whole},
		"initConnection":       &tg.InitConnectionRequest{APIID: 1, Query: whole},
		"invokeAfterMsg":       &tg.InvokeAfterMsgRequest{MsgID: 4, Query: whole},
		"invokeWithoutUpdates": &tg.InvokeWithoutUpdatesRequest{Query: whole},
		"both":                 initialised(t, whole),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "INPUT_FETCH_ERROR", cl.rpcErrorOf(cl.msgID(), wrap(head)).ErrorMessage, "nothing inside")
			require.Equal(t, "INPUT_METHOD_INVALID", cl.rpcErrorOf(cl.msgID(), wrap(head, 0xdeadbeef)).ErrorMessage, "an unknown call inside")
		})
	}
}

// Weakness 20: an IDMap entry that names no client ended in a panic, and with it
// every other call of the packet stayed unanswered.
func TestWeakness20UnroutedCallCostsOnlyItself(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.answer(nearestDC, anywhereDC)
	c.bff.on("/mtproto.RPCContacts/contacts_getContacts", func(context.Context, bffCall) ([]byte, error) {
		return nil, status.Error(codes.Internal, "panic: runtime error: invalid memory address")
	})
	ids := cl.container(
		encode(t, &tg.AccountGetContentSettingsRequest{}), // its group is misspelt in this cluster's IDMap
		encode(t, &tg.ContactsGetContactsRequest{}),
		encode(t, getDC),
	)
	want := map[int64]string{ids[0]: "400 METHOD_NOT_IMPL", ids[1]: "500 INTERNAL_SERVER_ERROR", ids[2]: ""}
	got := map[int64]string{}
	cl.await("three answers", func(m message) bool {
		if id, text := answered(m), ""; id != 0 {
			var e mt.RPCError
			if decode(inflate(t, m.body[12:]), &e) == nil {
				text = fmt.Sprint(e.ErrorCode, " ", e.ErrorMessage)
			}
			got[id] = text
		}
		return len(got) == 3
	})
	require.Equal(t, want, got)
}

// Weakness 21: no msgs_ack was ever sent, so that clients repeated long calls.
func TestWeakness21SlowCallsAreAcknowledged(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	release := c.hold(getUsers, &tg.UserClassVector{})
	defer release()
	call := cl.call(getSelf)
	cl.await("msgs_ack", func(m message) bool {
		var ack mt.MsgsAck
		return m.constructor() == mt.MsgsAckTypeID && decode(m.body, &ack) == nil && len(ack.MsgIDs) == 1 && ack.MsgIDs[0] == call
	})
}

// Weakness 22: a request that came again got no reply, though its answer was
// lost.
func TestWeakness22RepeatedRequestIsAnsweredAgain(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.answer(nearestDC, anywhereDC)
	id := cl.msgID()
	request := packet(id, cl.seqNo(true), encode(t, getDC))
	require.NoError(t, cl.sendPacket(request))
	first := cl.answer(id)
	started := time.Now()
	require.NoError(t, cl.sendPacket(request))
	require.Equal(t, first, cl.answer(id), "the same message")
	require.Less(t, time.Since(started), 5*time.Second, "at once, not after a timer")
	require.Len(t, c.bff.seen(nearestDC), 1, "the call ran once")
}

// Weakness 24: msg_resend_req and msgs_state_req looked ids of the server up
// among those of the client.
func TestWeakness24ServerMessagesAreSentAgain(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.answer(nearestDC, anywhereDC)
	id := cl.call(getDC)
	first := cl.answer(id)
	cl.service(&mt.MsgResendReq{MsgIDs: []int64{first.id}})
	require.Equal(t, first, cl.answer(id), "the same message")

	req := cl.service(&mt.MsgsStateReq{MsgIDs: []int64{first.id, id, id + 4}})
	cl.await("msgs_state_info", func(m message) bool {
		var info mt.MsgsStateInfo
		if m.constructor() != mt.MsgsStateInfoTypeID || decode(m.body, &info) != nil || info.ReqMsgID != req {
			return false
		}
		require.Len(t, info.Info, 3)
		require.EqualValues(t, 4, info.Info[0]&7, "one of ours, there")
		require.EqualValues(t, 4, info.Info[1]&7, "the request, received")
		require.Zero(t, info.Info[1]&64, "answered, but not acknowledged: some clients call again on that")
		require.Contains(t, []byte{2, 3}, info.Info[2], "never sent")
		return true
	})
}

// Weakness 25: the answer to a call that more than 400 messages had followed
// was thrown away.
func TestWeakness25AnswersOutliveTheWindow(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	release := c.hold(getUsers, &tg.UserClassVector{})
	id := cl.msgID()
	request := packet(id, cl.seqNo(true), encode(t, getSelf))
	require.NoError(t, cl.sendPacket(request))
	for range 60 { // more than a window holds, even of young ids
		var pings [][]byte
		for range 60 {
			pings = append(pings, encode(t, &mt.PingRequest{PingID: 3}))
		}
		cl.container(pings...)
	}
	cl.ping()
	release()
	first := cl.answer(id)
	require.NoError(t, cl.sendPacket(request))
	require.Equal(t, first, cl.answer(id))
	require.Len(t, c.bff.seen(getUsers), 1)

	// Nor does one of more than 400 that were not acknowledged vanish without a word.
	c.answer(nearestDC, anywhereDC)
	other := c.open(cl.key)
	id = other.msgID()
	request = packet(id, other.seqNo(true), encode(t, getDC))
	require.NoError(t, other.sendPacket(request))
	other.answer(id)
	for range 450 {
		other.result(other.call(getDC))
	}
	require.NoError(t, other.sendPacket(request))
	other.answer(id)
	require.Len(t, c.bff.seen(nearestDC), 451)
}

// Weakness 28: two messages by which clients tell what they have ended in a
// panic, and the rest of their packet was lost.
func TestWeakness28HearsayCostsNothing(t *testing.T) {
	c := share(t)
	cl := c.newClient()
	cl.ping()
	panics := c.panics()
	ids := cl.container(
		encode(t, &mt.MsgNewDetailedInfo{AnswerMsgID: 5, Bytes: 100}),
		encode(t, &mt.MsgsAllInfo{MsgIDs: []int64{1, 5, 9}, Info: []byte{4}}),
		encode(t, &mt.MsgDetailedInfo{MsgID: 4, AnswerMsgID: 5}),
		encode(t, &mt.MsgsStateInfo{ReqMsgID: 1, Info: []byte{1}}),
		encode(t, &mt.PingRequest{PingID: 1}),
	)
	cl.pong(ids[4])
	require.Equal(t, panics, c.panics())
}

// Weakness 29: a call that could not be read was read again whenever it was
// repeated, and one that the BFF had refused ran again.
func TestWeakness29RepeatedCallsRunOnce(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.bff.on(nearestDC, func(context.Context, bffCall) ([]byte, error) { return nil, status.Error(500, "INTERNAL_SERVER_ERROR") })
	for name, body := range map[string][]byte{
		"unreadable": binary.LittleEndian.AppendUint32(encode(t, &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: getDC}), 7),
		"refused":    encode(t, &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: getDC}),
	} {
		t.Run(name, func(t *testing.T) {
			id := cl.msgID()
			request := packet(id, cl.seqNo(true), body)
			require.NoError(t, cl.sendPacket(request))
			first := cl.answer(id)
			for range 3 {
				require.NoError(t, cl.sendPacket(request))
				require.Equal(t, first, cl.answer(id))
			}
		})
	}
	require.Len(t, c.bff.seen(nearestDC), 1)
}

// Weakness 36: messages were counted, not weighed, so that sixteen large files
// made a packet that gRPC refuses, again and again, and nothing else got
// through.
func TestWeakness36LargeAnswersTravelInPacketsThatFit(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	file := make([]byte, 512<<10)
	for i := range file {
		file[i] = byte(rand.Uint32())
	}
	const getFile = "/mtproto.RPCFiles/upload_getFile"
	c.answer(getFile, &tg.UploadFile{Type: &tg.StorageFileUnknown{}, Bytes: file})
	c.gateway.close(connKey{cl.key.id(), cl.id})
	var calls []int64
	for i := range 16 {
		calls = append(calls, cl.call(&tg.UploadGetFileRequest{Location: &tg.InputFileLocation{}, Offset: int64(i), Limit: 512 << 10}))
	}
	eventually(t, "the BFF answered all", func() bool { return len(c.bff.seen(getFile)) == len(calls) })
	cl.redial()
	cl.send(encode(t, &mt.PingRequest{PingID: 1}), true)
	got := map[int64]bool{}
	for len(got) < len(calls) {
		m, ok := cl.next(5 * time.Second)
		require.True(t, ok, "%d of %d answers", len(got), len(calls))
		var large mt.MsgDetailedInfo
		if m.constructor() == mt.MsgDetailedInfoTypeID && decode(m.body, &large) == nil { // it had been sent before
			cl.service(&mt.MsgResendReq{MsgIDs: []int64{large.AnswerMsgID}})
		}
		if id := answered(m); slices.Contains(calls, id) {
			require.Greater(t, len(m.body), len(file), "the file itself")
			got[id] = true
		}
	}
	cl.ping()
}

// Weakness 41: the ids of answers looked like those of other messages, and a
// counter within them wrapped.
func TestWeakness41IdsGrowAndSayWhatTheyAre(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.answer(nearestDC, anywhereDC)
	var said []message
	for range 20 {
		var bodies [][]byte
		for range 50 {
			bodies = append(bodies, encode(t, &mt.PingRequest{PingID: 1}))
		}
		cl.container(bodies...)
		cl.call(getDC)
		c.push(cl.key, c.updates(&tg.UpdatesTooLong{}))
		said = append(said, cl.until()...)
	}
	said = append(said, cl.all(500*time.Millisecond)...)
	require.Greater(t, len(said), 1000)
	last := int64(0)
	for _, m := range said {
		require.Greater(t, m.id, last, "%08x", m.constructor())
		last = m.id
		parity := int64(3)
		switch m.constructor() {
		case mtp.ResultTypeID, mt.PongTypeID:
			parity = 1
		}
		require.Equal(t, parity, m.id&3, "%08x", m.constructor())
	}
}
