package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	mtp "github.com/gotd/td/proto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
)

// metric reads a metric of session.
func (c *cluster) metric(name string) float64 {
	c.t.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", c.session.metricsPort))
	require.NoError(c.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `(?:{[^}]*})? (\S+)`).FindSubmatch(text)
	require.NotNil(c.t, m, "no metric %s", name)
	v, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(c.t, err)
	return v
}

func zeros(t testing.TB, n int) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	_, err = z.Write(make([]byte, n))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// Weakness 15: nothing bounded what a packet made the server do: gzip was
// inflated to the end, counts were allocated as they stood, wrappers copied
// their inside level by level, and a negative length ended in a panic.
func TestWeakness15HostilePacketsAreCheap(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	before, panics := c.metric("go_memstats_sys_bytes"), c.panics()
	ids := func(v ...uint32) (out []byte) {
		for _, x := range v {
			out = binary.LittleEndian.AppendUint32(out, x)
		}
		return out
	}

	t.Run("a gzip bomb", func(t *testing.T) {
		var b bin.Buffer
		b.PutID(mtp.GZIPTypeID)
		b.PutBytes(zeros(t, 256<<20))
		require.Less(t, len(b.Buf), 300<<10)
		for range 10 {
			require.Equal(t, "INPUT_REQUEST_TOO_LONG", cl.rpcErrorOf(cl.msgID(), rawTL(b.Buf)).ErrorMessage)
		}
	})
	t.Run("wrappers in wrappers", func(t *testing.T) {
		nest := bytes.Repeat(ids(tg.InvokeWithoutUpdatesRequestTypeID), 200_000)
		require.Equal(t, "INPUT_FETCH_ERROR", cl.rpcErrorOf(cl.msgID(), rawTL(nest)).ErrorMessage)
	})
	t.Run("a vector of two thousand million", func(t *testing.T) {
		body := ids(tg.UsersGetUsersRequestTypeID, bin.TypeVector, 0x7fffffff)
		require.Equal(t, 400, cl.rpcErrorOf(cl.msgID(), rawTL(body)).ErrorCode)
	})
	t.Run("a container of as many", func(t *testing.T) {
		id := cl.msgID()
		require.NoError(t, cl.sendPacket(packet(id, cl.seqNo(false), ids(mtp.MessageContainerTypeID, 0x7fffffff))))
		require.Equal(t, 64, cl.badMsg(id))
	})
	t.Run("a member of negative length", func(t *testing.T) {
		member := binary.LittleEndian.AppendUint64(nil, uint64(cl.msgID()))
		body := append(append(ids(mtp.MessageContainerTypeID, 1), member...), ids(1, 0xffffffff)...)
		id := cl.msgID()
		require.NoError(t, cl.sendPacket(packet(id, cl.seqNo(false), body)))
		require.Equal(t, 64, cl.badMsg(id))
	})
	t.Run("a message of negative length", func(t *testing.T) {
		p := packet(cl.msgID(), cl.seqNo(true), encode(t, &mt.PingRequest{PingID: 1}))
		copy(p[12:], ids(0xffffffff))
		require.NoError(t, cl.sendPacket(p)) // no packet, so nothing to answer
	})
	cl.ping()
	require.Less(t, c.metric("go_memstats_sys_bytes")-before, float64(256<<20))
	require.Equal(t, panics, c.panics())
}

// panics counts the panics of session, each of which logs its stack.
func (c *cluster) panics() int {
	return len(regexp.MustCompile(`goroutine \d+ \[running\]`).FindAllString(c.session.output.String(), -1))
}

// rawTL is bytes that are TL already.
type rawTL []byte

func (r rawTL) Encode(b *bin.Buffer) error {
	b.Put(r)
	return nil
}

// badMsg waits for the bad_msg_notification about a message.
func (c *client) badMsg(id int64) (code int) {
	c.t.Helper()
	var bad mt.BadMsgNotification
	c.await("bad_msg_notification", func(m message) bool {
		return m.constructor() == mt.BadMsgNotificationTypeID && decode(m.body, &bad) == nil && bad.BadMsgID == id
	})
	return bad.ErrorCode
}

// Weakness 44: sessions were freed only together with their key, and a client
// chooses their ids: one client filled the memory.
func TestWeakness44SessionsOfAKeyAreLimited(t *testing.T) {
	c := share(t)
	kept := c.newUser(newUserID())
	old := c.open(kept.key)
	old.ping()
	for range 200 {
		c.open(kept.key).ping()
		kept.ping()
	}
	require.Zero(t, count(kept.until(), mt.NewSessionCreatedTypeID), "the session in use stays")
	heard := old.until()
	time.Sleep(greeting)
	require.Equal(t, 1, count(append(heard, old.until()...), mt.NewSessionCreatedTypeID), "one that was silent made room, and its client is told")
}

// Weakness 44: sessions end one by one: the one that its client left, while
// another of the same key goes on.
func TestWeakness44IdleSessionsEndOneByOne(t *testing.T) {
	c := share(t)
	kept := c.newUser(newUserID())
	left := c.open(kept.key)
	left.ping()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		left.forgotten()
	}()
	for {
		select {
		case <-ended:
			require.Zero(t, count(kept.until(), mt.NewSessionCreatedTypeID))
			return
		case <-time.After(100 * time.Millisecond):
			kept.ping()
		}
	}
}
