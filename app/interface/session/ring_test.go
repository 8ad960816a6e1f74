package session

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// keyOf finds a perm key that a node owns.
func keyOf(t testing.TB, n *node, owner string) int64 {
	t.Helper()
	for key := int64(1); key < 10_000; key++ {
		if o, _ := n.svc.Cluster.Owner(key); o == owner {
			return key
		}
	}
	t.Fatal("no key")
	return 0
}

func TestKeysOfOtherNodes(t *testing.T) {
	c := startCluster(t)
	a, b := c.start(), c.start()
	for _, n := range []*node{a, b} {
		n.svc.Cluster.Update([]string{a.Address(), b.Address()})
	}
	foreign := keyOf(t, a, b.Address())
	c.auth.add(foreign, 0, 0)
	c.auth.users[foreign] = 5
	ctx := t.Context()
	d := c.device(foreign, 0, foreign)
	data, _ := d.data(ping)

	t.Run("a unary gateway is redirected", func(t *testing.T) {
		_, err := a.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
		requireStatus(t, err, 700, "REDIRECT_TO_"+b.Address())
		event := &session.SessionClientEvent{AuthKeyId: foreign, PermAuthKeyId: foreign}
		_, err = a.rpc.SessionCloseSession(ctx, &session.TLSessionCloseSession{Client: event})
		requireStatus(t, err, 700, "REDIRECT_TO_"+b.Address())
		_, err = a.rpc.SessionCreateSession(ctx, &session.TLSessionCreateSession{Client: event})
		requireStatus(t, err, 700, "REDIRECT_TO_"+b.Address())
		require.Zero(t, a.svc.Runloop.Count()+b.svc.Runloop.Count())
	})
	t.Run("HTTP is forwarded", func(t *testing.T) {
		h, _ := c.device(foreign, 0, 0).data(ping)
		h.ServerId = ""
		out, err := a.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: h})
		require.NoError(t, err)
		require.NotEmpty(t, out.Payload)
		require.Equal(t, 0, a.svc.Runloop.Count())
		require.Equal(t, 1, b.svc.Runloop.Count())
	})
	t.Run("a stream is forwarded", func(t *testing.T) {
		s := openStream(t, a)
		body, _ := d.data(ping)
		require.NotNil(t, s.ask(&session.SessionStreamRequest{
			RequestId: "1",
			Payload:   &session.SessionStreamRequest_SendData{SendData: &session.TLSessionSendDataToSession{Data: body}},
		}).GetAck())
		d.await("pong", func(m message) bool { return m.constructor() == pong })
	})
	t.Run("pushes are forwarded", func(t *testing.T) {
		reset := resetAuthorization(5, foreign)
		d.result(b.send(t, d, getState))
		c.auth.logOut(foreign)
		_, err := a.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: foreign, Updates: reset})
		require.NoError(t, err)
		d.await("updatesTooLong", func(m message) bool { return m.constructor() == updatesTooLong })
	})
	t.Run("no request is forwarded twice", func(t *testing.T) {
		b.svc.Cluster.Update([]string{a.Address()}) // rings that disagree
		b.svc.Cluster.Update([]string{a.Address(), b.Address()})
		mine := keyOf(t, b, a.Address())
		a.svc.Cluster.Update([]string{b.Address()})
		_, err := a.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: mine})
		require.NoError(t, err)
	})
}

// Weakness 51: a node that boots sent its own keys away until etcd listed it.
func TestWeakness51ANodeServesItsKeysBeforeEtcdListsIt(t *testing.T) {
	c := startCluster(t)
	a, b := c.start(), c.start()
	a.svc.Cluster.Update([]string{a.Address(), b.Address()})
	key := keyOf(t, a, b.Address())
	b.svc.Cluster.Update([]string{a.Address()}) // it boots
	c.auth.add(key, 0, 0)
	d := c.device(key, 0, key)
	b.send(t, d, ping)
	d.await("pong", func(m message) bool { return m.constructor() == pong })
}

// Weakness 50: a key that moved is left to its new owner.
func TestWeakness50MovedKeysAreLeftToTheirNewOwner(t *testing.T) {
	c := startCluster(t)
	soon := func(conf *Config) { conf.Session.ReleaseAfter = 50 * time.Millisecond }
	a, b := c.start(soon), c.start(soon)
	foreign := func() int64 {
		a.svc.Cluster.Update([]string{a.Address(), b.Address()})
		key := keyOf(t, a, b.Address())
		a.svc.Cluster.Update([]string{a.Address()})
		return key
	}()
	d := c.login(a, foreign, 77)
	eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
	a.svc.Cluster.Update([]string{a.Address(), b.Address()})
	b.svc.Cluster.Update([]string{a.Address(), b.Address()})
	eventually(t, "gone from a", func() bool { return a.svc.Runloop.Count() == 0 })
	d.result(b.send(t, d, getState))
	eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })
	require.Zero(t, c.stat.offline)
}

// A node that stops says nothing to status of keys that another has taken over:
// that one may have reported already.
func TestStoppingNodeLeavesStatusToTheNewOwner(t *testing.T) {
	c := startCluster(t)
	a, b := c.start(), c.start()
	both := []string{a.Address(), b.Address()}
	a.svc.Cluster.Update(both)
	b.svc.Cluster.Update(both)
	d := c.login(a, keyOf(t, a, a.Address()), 77)
	eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
	b.svc.Cluster.Update(both[1:]) // a has left etcd, and its gateway knows
	d.result(b.send(t, d, getState))
	eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })
	a.stop()
	require.Equal(t, b.Address(), c.stat.node(77))
}

// A node that joins and is gone again costs no key its state, nor its place in
// status.
func TestKeysOutliveANodeThatComesAndGoes(t *testing.T) {
	const release = 2 * time.Second // the node must not go for so long while it is there
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Session.ReleaseAfter = release })
	const passing = "127.0.0.1:1"
	both := []string{a.Address(), passing}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, passing)
	a.svc.Cluster.Update(both[:1])
	d := c.login(a, key, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == a.Address() })

	a.svc.Cluster.Update(both)
	data, _ := d.data(ping)
	_, err := a.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	requireStatus(t, err, 700, "REDIRECT_TO_"+passing)
	_, err = a.rpc.SessionCloseSession(t.Context(), &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
		ServerId: c.addr["gateway"], AuthKeyId: key, PermAuthKeyId: key, SessionId: d.session,
	}})
	requireStatus(t, err, 700, "REDIRECT_TO_"+passing)
	a.svc.Cluster.Update(both[:1])

	for wait := time.Now().Add(release + time.Second); time.Now().Before(wait); {
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, 1, a.svc.Runloop.Count())
	}
	id := a.send(t, d, ping)
	d.await("pong", func(m message) bool {
		require.NotEqualValues(t, 0x9ec20908, m.constructor(), "the session is the same")
		return m.constructor() == pong && int64(binary.LittleEndian.Uint64(m.body[4:])) == id
	})
	require.Equal(t, a.Address(), c.stat.node(77))
}

// A node that had a key for a moment reports it offline when it goes; the node
// that has it again says otherwise.
func TestReturnedKeysAreReportedAgain(t *testing.T) {
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Session.ReleaseAfter = 2 * time.Second }) // longer than the other is there
	const passing = "127.0.0.1:1"
	both := []string{a.Address(), passing}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, passing)
	a.svc.Cluster.Update(both[:1])
	c.login(a, key, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == a.Address() })
	a.svc.Cluster.Update(both)
	a.svc.Cluster.Update(both[:1])
	c.stat.mu.Lock()
	delete(c.stat.online, 77) // the passing node's last word
	c.stat.mu.Unlock()
	eventually(t, "online again", func() bool { return c.stat.node(77) == a.Address() })
}

// While keys move, nodes hear of it one after the other: a push may come to a
// node that gave its key up, be sent on to one that has it no more, and belong
// to a third.
func TestPushesFindKeysThatMove(t *testing.T) {
	c := startCluster(t)
	long := func(conf *Config) { conf.Session.ReleaseAfter = time.Minute } // nothing happens by itself
	first, second, third := c.start(long), c.start(long), c.start(long)
	all := []string{first.Address(), second.Address(), third.Address()}
	for _, n := range []*node{first, second, third} { // all: else the third would wait for them to hear
		n.svc.Cluster.Update(all)
	}
	updatesTooLong := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updatesTooLong")
	push := func(t *testing.T, key int64) {
		t.Helper()
		_, err := first.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: updatesTooLong})
		require.NoError(t, err)
	}
	heard := func(m message) bool { return m.constructor() == 0xe317af7e }
	// A key of the third node that was the second's, as long as there were two.
	key := int64(0)
	two := nodecluster.NewRing(all[:2])
	for k := int64(1); key == 0; k++ {
		if third.svc.Cluster.Ring().Owner(k) == all[2] && two.Owner(k) == all[1] {
			key = k
		}
	}
	d := c.login(third, key, 77)

	t.Run("the second node has heard, the first has not", func(t *testing.T) {
		first.svc.Cluster.Update(all[:2])
		second.svc.Cluster.Update(all)
		push(t, key)
		d.await("updatesTooLong", heard)
	})
	t.Run("the second node hears later", func(t *testing.T) {
		second.svc.Cluster.Update(all[:2])
		push(t, key)
		eventually(t, "it waits", func() bool { return second.svc.Cluster.Parked.Waiting() > 0 })
		second.svc.Cluster.Update(all)
		d.await("updatesTooLong", heard)
		eventually(t, "nothing waits", func() bool { return second.svc.Cluster.Parked.Waiting() == 0 })
	})
	t.Run("its node has let go of it, with a push that nobody acknowledged", func(t *testing.T) {
		first.svc.Cluster.Update(all)
		second.svc.Cluster.Update(all)
		second.svc.Cluster.OnGap(key)
		d.await("updatesTooLong", heard)
		eventually(t, "nothing waits", func() bool { return second.svc.Cluster.Parked.Waiting() == 0 })
	})
	t.Run("it is not sent on a third time", func(t *testing.T) {
		second.svc.Cluster.Update(all[:2])
		ctx := nodecluster.SendFinal(t.Context())
		_, err := second.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: updatesTooLong})
		require.NoError(t, err)
		require.Zero(t, second.svc.Cluster.Parked.Waiting())
		require.True(t, second.svc.Cluster.TakeLost(key), "but the key hears of it if it comes")
	})
}

// strictNode takes no push, for a while.
type strictNode struct {
	session.UnimplementedRPCSessionServer
	refuses atomic.Bool
	got     chan string // the mark of each push
}

func (n *strictNode) SessionPushUpdatesData(ctx context.Context, _ *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	if n.refuses.Load() {
		return nil, status.Error(500, "INTERNAL_SERVER_ERROR")
	}
	n.got <- metadata.ValueFromIncomingContext(ctx, "x-session-forwarded")[0]
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// A push that the node of its key does not take, or that finds no room on the way there, is
// kept, and sent again. It was refused: sync forgot it, and nobody told the client.
func TestPushesThatCannotBeSentOnAreKept(t *testing.T) {
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Session.ReleaseAfter = time.Second }) // between tries, of which there are three
	strict := &strictNode{got: make(chan string, 2)}
	c.serve("strict", func(g *grpc.Server) { session.RegisterRPCSessionServer(g, strict) })
	a.svc.Cluster.Update([]string{a.Address(), c.addr["strict"]})
	key := keyOf(t, a, c.addr["strict"])
	push := func(t *testing.T) {
		t.Helper()
		_, err := a.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: []byte("u")})
		require.NoError(t, err)
		require.NotZero(t, a.svc.Cluster.Parked.Waiting())
	}
	t.Run("its node does not take it", func(t *testing.T) {
		strict.refuses.Store(true)
		push(t)
		strict.refuses.Store(false)
		require.Equal(t, "2", <-strict.got, "it has come a second way, and goes no further")
	})
	t.Run("there is no room", func(t *testing.T) {
		thaw := make(chan struct{})
		let := sync.OnceFunc(func() { close(thaw) })
		defer let()
		var sent sync.WaitGroup
		block := func(began func()) (err error) {
			sent.Add(1)
			a.svc.Cluster.SendOn(key, 0, c.addr["strict"], func(e error) {
				err = e
				sent.Done()
			}, func(context.Context, session.RPCSessionClient) error {
				began()
				<-thaw
				return nil
			})
			return err // of one that is refused
		}
		began := make(chan struct{})
		_ = block(func() { close(began) })
		<-began
		for block(func() {}) == nil { // until its lane is full
		}
		push(t)
		let()
		require.Equal(t, "2", <-strict.got)
		sent.Wait()
	})
}
