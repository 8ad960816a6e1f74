package integration

import (
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
)

// Weakness 42: answers to HTTP clients went to requests whose reader had left,
// and a session that had once come over HTTP was never answered over TCP again.
func TestWeakness42HTTPAndTCPMayTakeTurns(t *testing.T) {
	c := share(t)
	cl := newHTTPClient(t, c)
	c.login(cl.key, newUserID())
	release := c.hold(getUsers, &tg.UserClassVector{})
	c.answer(nearestDC, anywhereDC)

	// A long poll is there when a slow answer comes, and one whose reader left
	// takes nothing with it.
	slow := cl.call(getSelf)
	eventually(t, "the call runs", func() bool { return len(c.bff.seen(getUsers)) == 1 })
	cl.send(encode(t, &mt.HTTPWaitRequest{MaxWait: 100}), false) // ends before the answer
	time.AfterFunc(3*time.Second, release)
	cl.result(slow)
	require.Len(t, c.bff.seen(getUsers), 1)

	// The same session by TCP, and by HTTP again.
	for _, http := range []bool{false, true, false} {
		cl.posts.Wait() // no request is left that could bring the answer
		cl.http, cl.fresh = http, !http
		cl.result(cl.call(getDC))
	}
}

// An HTTP request is answered before the deadline of whoever passed it on,
// though there is nothing to say: the gateway would ask another node.
func TestHTTPRequestsAreAnsweredInTime(t *testing.T) {
	c := share(t)
	cl := newHTTPClient(t, c)
	cl.ping()
	started := time.Now()
	cl.send(encode(t, &mt.HTTPWaitRequest{MaxWait: 60_000}), false)
	select {
	case <-cl.conn:
	case <-time.After(15 * time.Second):
		t.Fatal("never answered")
	}
	require.Less(t, time.Since(started), 10*time.Second, "the caller's deadline")
}
