package session

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	newSessionCreated = 0x9ec20908
	nearestDCPath     = "/mtproto.RPCConfiguration/help_getNearestDc"
)

// noticed are the messages by which a device could tell that its key has moved, of
// all that it has got since some packet.
func (d *device) noticed(since int) (found []uint32) {
	d.c.gate.mu.Lock()
	defer d.c.gate.mu.Unlock()
	for _, p := range d.c.gate.packets[since:] {
		if p.SessionId != d.session {
			continue
		}
		for _, m := range messages(p.Payload) {
			if m.constructor() == newSessionCreated || m.constructor() == updatesTooLong {
				found = append(found, m.constructor())
			}
		}
	}
	return found
}

// results is how often a call was answered.
func (d *device) results(id int64) (n int) {
	d.c.gate.mu.Lock()
	defer d.c.gate.mu.Unlock()
	for _, p := range d.c.gate.packets {
		for _, m := range messages(p.Payload) {
			if resultOf(m, id) {
				n++
			}
		}
	}
	return n
}

func (d *device) packets() int {
	d.c.gate.mu.Lock()
	defer d.c.gate.mu.Unlock()
	return len(d.c.gate.packets)
}

// A key takes its sessions along, whatever makes it move: a call that is at a BFF
// meanwhile is made once and answered once, no session is greeted anew, and nothing
// counts as missed. Before, the new node knew nothing: it greeted the session, upon
// which the client repeated its call, and the BFF did it a second time.
func TestAKeyTakesItsSessionsAlong(t *testing.T) {
	for name, move := range map[string]func(a, b *node, both []string, speak func()){
		"a node joins, and the client speaks first": func(a, b *node, both []string, speak func()) {
			b.svc.Cluster.Update(both)
			a.svc.Cluster.Update(both)
			speak()
		},
		"a node joins, and the other hears when it is asked": func(a, b *node, both []string, speak func()) {
			b.svc.Cluster.Update(both)
			speak()
			require.Equal(t, 1, b.svc.Runloop.Count(), "the key is on its way")
			a.svc.Cluster.Update(both)
		},
		"a node stops": func(a, b *node, both []string, speak func()) {
			b.svc.Cluster.Update(both)
			a.svc.Cluster.Update(both[1:]) // a is on its own ring still
			b.svc.Cluster.Update(both[1:])
			go a.stop()
			speak()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			soon := func(conf *Config) { conf.Session.ReleaseAfter = 100 * time.Millisecond }
			a, b := c.start(soon), c.start(soon)
			both := []string{a.Address(), b.Address()}
			a.svc.Cluster.Update(both)
			key := keyOf(t, a, b.Address())
			a.svc.Cluster.Update(both[:1])

			hold := make(chan struct{})
			c.bff.on(nearestDCPath, func(context.Context) ([]byte, error) {
				<-hold
				return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "nearestDc"), nil
			})
			d := c.login(a, key, 77)
			eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
			call := a.send(t, d, getNearestDC)
			eventually(t, "at the BFF", func() bool { return c.bff.count(nearestDCPath) == 1 })
			before := d.packets()

			move(a, b, both, func() { b.send(t, d, ping) })
			d.await("pong", func(m message) bool { return m.constructor() == pong })
			eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })
			b.push(t, key)
			d.hears()
			close(hold)
			d.result(call)

			require.Empty(t, d.noticed(before))
			require.Equal(t, 1, c.bff.count(nearestDCPath), "how often the call was made")
			require.Equal(t, 1, d.results(call), "how often it was answered")
			b.send(t, d, getState)
			require.Empty(t, d.noticed(before))
		})
	}
}

// A client that says nothing hears of its updates, all the same, from the node that has
// its key now, wherever sync brings them.
func TestAnIdleClientMovesWithItsKey(t *testing.T) {
	c := startCluster(t)
	soon := func(conf *Config) { conf.Session.ReleaseAfter = 100 * time.Millisecond }
	a, b := c.start(soon), c.start(soon)
	both := []string{a.Address(), b.Address()}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, b.Address())
	a.svc.Cluster.Update(both[:1])
	d := c.login(a, key, 77)
	eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
	before := d.packets()
	b.svc.Cluster.Update(both)
	a.svc.Cluster.Update(both)
	b.push(t, key) // before the key is there
	d.hears()
	a.push(t, key)
	d.hears()
	eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })
	require.Empty(t, d.noticed(before))
}

// formerNode is a session node of an earlier release: it knows no calls about keys that
// move, and hears of sessions by createSession.
type formerNode struct {
	session.UnimplementedRPCSessionServer
	introduced chan *session.SessionClientEvent
}

func (n *formerNode) SessionCreateSession(_ context.Context, in *session.TLSessionCreateSession) (*mtproto.Bool, error) {
	n.introduced <- in.GetClient()
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// A neighbour that cannot take a key's state is told of its sessions, as before.
func TestANeighbourOfAnEarlierRelease(t *testing.T) {
	c := startCluster(t)
	former := &formerNode{introduced: make(chan *session.SessionClientEvent, 1)}
	c.serve("former", func(g *grpc.Server) { session.RegisterRPCSessionServer(g, former) })
	a := c.start(func(conf *Config) { conf.Session.ReleaseAfter = 50 * time.Millisecond })
	both := []string{a.Address(), c.addr["former"]}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, c.addr["former"])
	a.svc.Cluster.Update(both[:1])
	d := c.login(a, key, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == a.Address() })
	a.svc.Cluster.Update(both)
	select {
	case e := <-former.introduced:
		require.Equal(t, d.session, e.GetSessionId())
	case <-time.After(10 * time.Second):
		t.Fatal("the neighbour hears of no session")
	}
	eventually(t, "let go", func() bool { return a.svc.Runloop.Count() == 0 })
}

// A push for a key whose owner has only just been listed, and is not reached yet, was lost
// at the node that had the key until then, though its client was there.
func TestAPushIsNotLostAtAnOwnerThatIsNotReached(t *testing.T) {
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Session.ReleaseAfter = time.Minute })
	nobody := freeport.Address(t)
	both := []string{a.Address(), nobody}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, nobody)
	a.svc.Cluster.Update(both[:1])
	d := c.login(a, key, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == a.Address() })
	a.svc.Cluster.Update(both)
	a.push(t, key)
	d.hears()
}

// One whose key is not here waits for the owner.
func TestAPushWaitsForAnOwnerThatIsNotReached(t *testing.T) {
	c := startCluster(t)
	long := func(conf *Config) { conf.Session.ReleaseAfter = time.Minute }
	a, b := c.start(long), c.start(long)
	both := []string{a.Address(), b.Address()}
	a.svc.Cluster.Update(both) // else b would wait for it to hear of the key
	b.svc.Cluster.Update(both)
	key := keyOf(t, b, b.Address())
	d := c.login(b, key, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == b.Address() })
	nobody := freeport.Address(t)
	a.svc.Cluster.Update([]string{nobody}) // as it has heard
	a.push(t, key)
	a.svc.Cluster.Update(both)
	d.hears()
}

// closed is word of the gateway that it has no connection of a session left.
func (c *cluster) closed(key, sessionID int64) *session.TLSessionCloseSession {
	return &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
		ServerId: c.addr["gateway"], AuthKeyId: key, PermAuthKeyId: key, SessionId: sessionID,
	}}
}

// Word of a closed connection that came to the new node of a key before the key did was lost:
// status took the client for online until its connection counted as silent.
func TestAConnectionIsClosedWhileItsKeyMoves(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"its gateway has heard of the change":    context.Background(),
		"another node sends on what came for it": nodecluster.SendForwarded(context.Background()),
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			quick := func(conf *Config) {
				conf.Session.ReleaseAfter, conf.Session.OfflineAfter = 500*time.Millisecond, 100*time.Millisecond
			}
			a, b := c.start(quick), c.start(quick)
			both := []string{a.Address(), b.Address()}
			a.svc.Cluster.Update(both)
			key := keyOf(t, a, b.Address())
			a.svc.Cluster.Update(both[:1])
			d := c.login(a, key, 77)
			eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
			b.svc.Cluster.Update(both)
			a.svc.Cluster.Update(both)
			_, err := b.rpc.SessionCloseSession(ctx, c.closed(key, d.session))
			require.NoError(t, err)
			eventually(t, "the key has moved", func() bool { return a.svc.Runloop.Count() == 0 && b.svc.Runloop.Count() == 1 })
			eventually(t, "offline", func() bool { return c.stat.node(77) == "" })
		})
	}
}

// asked is a session node that has no key, and counts how often it is asked for one.
type asked struct {
	session.UnimplementedSessionNodesServer
	calls atomic.Int64
}

func (n *asked) HandOver(context.Context, *session.HandOverRequest) (*session.HandOverReply, error) {
	n.calls.Add(1)
	return &session.HandOverReply{}, nil
}

// A gateway that ends closes the connections of many keys, of which most nodes know nothing.
// No other node is asked for those, unless it had them a moment ago.
func TestAConnectionIsClosedOfAKeyThatIsNowhere(t *testing.T) {
	c := startCluster(t)
	other := new(asked)
	c.serve("other", func(g *grpc.Server) { session.RegisterSessionNodesServer(g, other) })
	a := c.start()
	three := []string{a.Address(), c.addr["other"], "127.0.0.1:1"}
	for range 10 { // it has joined so many rings ago that it does not know what was before
		a.svc.Cluster.Update(three[:2])
		a.svc.Cluster.Update(three)
	}
	mine, others := keyOf(t, a, a.Address()), keyOf(t, a, c.addr["other"])
	a.svc.Cluster.Update(three[:1])
	for _, key := range []int64{mine, others} {
		c.auth.add(key, 0, 0)
	}
	tell := func(key int64) {
		_, err := a.rpc.SessionCloseSession(t.Context(), c.closed(key, 1))
		require.NoError(t, err)
	}
	for range 100 {
		tell(mine)
		require.Zero(t, a.svc.Runloop.Count())
	}
	tell(others)
	eventually(t, "it is asked for the one that it may have", func() bool { return other.calls.Load() == 1 })
	eventually(t, "nobody has it", func() bool { return a.svc.Runloop.Count() == 0 })
}
