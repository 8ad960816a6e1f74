package integration

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// deliver sends a packet as a gateway does that follows one redirect.
func (c *client) deliver(payload []byte) error {
	err := c.sendPacket(payload)
	if status.Code(err) != 700 {
		return err
	}
	owner := strings.TrimPrefix(status.Convert(err).Message(), "REDIRECT_TO_")
	c.session, c.node = session.NewRPCSessionClient(dial(c.t, owner)), owner
	return c.sendPacket(payload)
}

// Weakness 50: a node that joined was not told of to the keys that it now
// owned, and whoever had owned them reported them offline over the new owner's
// head.
func TestWeakness50KeysMoveToANodeThatJoins(t *testing.T) {
	c := startCluster(t, "etc", "")
	var users []*client
	for i := range 16 {
		users = append(users, c.newUser(int64(1+i)))
	}
	entry := func(cl *client) string {
		if e := c.status.entry(cl.key.perm); e != nil {
			return e.Gateway
		}
		return ""
	}
	for _, cl := range users {
		eventually(t, "all are online at the first node", func() bool { return entry(cl) == c.session.addr })
	}
	second := c.startSession(t, "etc-session.yaml", "")
	moved := func() (list []*client) {
		for _, cl := range users {
			c.answer(nearestDC, anywhereDC)
			id := cl.msgID()
			require.NoError(t, cl.deliver(packet(id, cl.seqNo(true), encode(t, getDC))))
			cl.result(id)
			cl.result(cl.call(initialised(t, getDC)))
			if cl.node == second.addr {
				list = append(list, cl)
			}
		}
		return list
	}
	eventually(t, "some keys belong to the second node", func() bool { return len(moved()) > 2 })
	theirs := moved()           // of all, since the first node now knows of the second
	for _, cl := range theirs { // nodes tell status of keys in batches
		eventually(t, "online at the second node", func() bool { return entry(cl) == second.addr })
	}
	time.Sleep(time.Second) // for what the first node might still have to say
	for _, cl := range users {
		require.NotEmpty(t, entry(cl), "nobody is offline")
	}
	for _, cl := range theirs {
		require.Equal(t, second.addr, entry(cl))
	}
	require.Len(t, moved(), len(theirs))

	// And back, when it leaves.
	second.stop(syscall.SIGTERM)
	for _, cl := range users {
		cl.session = session.NewRPCSessionClient(c.conn)
		eventually(t, "online at the first node again", func() bool {
			id := cl.msgID()
			require.NoError(t, cl.deliver(packet(id, cl.seqNo(true), encode(t, getDC))))
			cl.result(id)
			return entry(cl) == c.session.addr
		})
	}
}

// Weakness 51: a node that booted was not on its own ring yet and sent packets
// back to where they had come from; gateways follow one redirect, so they were
// lost.
func TestWeakness51NoPacketGoesInCirclesWhileANodeJoins(t *testing.T) {
	c := startCluster(t, "etc", "")
	stop := make(chan struct{})
	var lost atomic.Int32
	var clients sync.WaitGroup
	for range 8 {
		cl := c.newClient()
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				id := cl.msgID()
				if err := cl.deliver(packet(id, cl.seqNo(true), encode(t, &mt.PingRequest{PingID: 1}))); err != nil {
					t.Errorf("after one redirect: %v", err)
					lost.Add(1)
					return
				}
				cl.pong(id)
			}
		})
	}
	c.startSession(t, "etc-session.yaml", "")
	time.Sleep(500 * time.Millisecond)
	close(stop)
	clients.Wait()
	require.Zero(t, lost.Load())
}
