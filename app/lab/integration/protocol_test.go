package integration

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var getSelf = &tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}

// Weakness 16: a full channel was answered as success and the packet lost.
// Every packet is now either refused with 420 or answered.
func TestWeakness16FullChannelIsToldToTheCaller(t *testing.T) {
	c := startCluster(t, "etc", "Session:\n  DataChannel: 4\n")
	cl := c.newUser(1)
	c.answer(getUsers, &tg.UserClassVector{})

	const packets = 3000
	type sent struct {
		id  int64
		err error
	}
	todo := make(chan []byte, packets)
	ids := make(chan sent, packets)
	for range packets {
		id := cl.msgID()
		todo <- packet(id, cl.seqNo(true), encode(t, getSelf))
	}
	close(todo)
	var wg sync.WaitGroup
	for range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for p := range todo {
				ids <- sent{int64(binary.LittleEndian.Uint64(p)), cl.sendPacket(p)}
			}
		}()
	}
	wg.Wait()
	close(ids)

	refused, waiting := 0, map[int64]bool{}
	for s := range ids {
		if s.err == nil {
			waiting[s.id] = true
			continue
		}
		require.Equal(t, codes.Code(420), status.Code(s.err), "%v", s.err)
		require.Equal(t, "SESSION_DATA_CHANNEL_FULL", status.Convert(s.err).Message())
		refused++
	}
	t.Logf("%d packets: %d accepted, %d refused with 420", packets, len(waiting), refused)
	deadline := time.Now().Add(30 * time.Second)
	for len(waiting) > 0 && time.Now().Before(deadline) {
		m, ok := cl.next(time.Second)
		if !ok {
			continue
		}
		switch m.constructor() {
		case mtp.ResultTypeID:
			delete(waiting, int64(binary.LittleEndian.Uint64(m.body[4:])))
		case mt.BadMsgNotificationTypeID:
			// Workers race, so that an id may arrive after newer ones.
			delete(waiting, int64(binary.LittleEndian.Uint64(m.body[4:])))
		}
	}
	require.Empty(t, waiting, "accepted packets without an answer")
}

// Weakness 17: one unknown constructor made the whole packet vanish, its
// container mates included.
func TestWeakness17UnknownConstructorCostsOnlyItself(t *testing.T) {
	c := share(t)
	cl := c.newUser(1)
	unknown := binary.LittleEndian.AppendUint32(nil, 0xdeadbeef)
	ids := cl.container(encode(t, &mt.PingRequest{PingID: 42}), unknown)

	var pong mt.Pong
	var refusal mt.RPCError
	cl.await("pong and rpc_error", func(m message) bool {
		switch m.constructor() {
		case mt.PongTypeID:
			require.NoError(t, decode(m.body, &pong))
		case mtp.ResultTypeID:
			if int64(binary.LittleEndian.Uint64(m.body[4:])) == ids[1] {
				require.NoError(t, decode(inflate(t, m.body[12:]), &refusal))
			}
		}
		return pong.PingID == 42 && refusal.ErrorCode != 0
	})
	require.Equal(t, ids[0], pong.MsgID)
	require.Equal(t, 400, refusal.ErrorCode)
	require.Regexp(t, `^INPUT_METHOD_INVALID`, refusal.ErrorMessage)
}

// Weakness 19: all calls of a key ran one after another, so that a slow one
// stalled every session of the device.
func TestWeakness19SlowCallDelaysNoOther(t *testing.T) {
	c := share(t)
	slow := c.newUser(1)
	quick := c.open(slow.key)

	release := c.hold(getUsers, &tg.UserClassVector{})
	c.answer(nearestDC, &tg.NearestDC{Country: "ZZ", ThisDC: 1, NearestDC: 1})

	stalled := slow.call(getSelf)
	eventually(t, "the slow call is in flight", func() bool { return len(c.bff.seen(getUsers)) == 1 })
	quick.result(quick.call(&tg.HelpGetNearestDCRequest{})) // another session
	slow.result(slow.call(&tg.HelpGetNearestDCRequest{}))   // the same session
	release()
	slow.result(stalled)
}

// Weakness 43: each key held two goroutines, two channels of 4096 slots and
// a ticker. An idle key now holds none of them.
func TestWeakness43IdleKeysHoldNoGoroutine(t *testing.T) {
	c := startCluster(t, "etc2", "")
	goroutines := func() int {
		t.Helper()
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", c.session.metricsPort))
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		m := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindSubmatch(text)
		require.NotNil(t, m, "go_goroutines in the metrics")
		n, err := strconv.Atoi(string(m[1]))
		require.NoError(t, err)
		return n
	}
	c.newClient().ping() // connections to peers are up
	before := goroutines()
	const keys = 200
	for range keys {
		c.newClient().ping()
	}
	eventually(t, "idle keys hold no goroutine", func() bool { return goroutines() < before+keys/20 })
}
