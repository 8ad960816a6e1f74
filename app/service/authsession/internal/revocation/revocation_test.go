package revocation

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/ring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

func notifier(t *testing.T, nodes ...string) *Notifier {
	t.Helper()
	n, err := New(zrpc.RpcClientConf{Endpoints: nodes})
	require.NoError(t, err)
	n.wait = time.Minute // a busy machine takes longer than patience
	t.Cleanup(n.Close)
	return n
}

// keys returns count keys of a node.
func keys(node string, count int, nodes ...string) (ids []int64) {
	r := ring.New(append(nodes, node))
	for id := int64(1); len(ids) < count; id++ {
		if r.Owner(id) == node {
			ids = append(ids, id)
		}
	}
	return ids
}

func ended(user int64, ids ...int64) (list []testenv.Ended) {
	for _, id := range ids {
		list = append(list, testenv.Ended{AuthKeyID: id, UserID: user})
	}
	return list
}

// The message is read by name elsewhere: its numbers hold in every release.
func TestFieldNumbersAreTheSchemas(t *testing.T) {
	for _, release := range tl.Releases() {
		schema, err := tl.Load(release)
		require.NoError(t, err)
		for name, want := range map[string]int{"predicate_name": int(fieldPredicate), "user_id": int(fieldUserID), "auth_key_id": int(fieldAuthKeyID)} {
			number, ok := schema.FieldNumber("Updates", name)
			require.True(t, ok)
			require.Equal(t, want, number, "%s %s", release, name)
		}
	}
}

func TestEachOwnerIsToldOfItsKeys(t *testing.T) {
	a, b := testenv.NewSessionNode(t), testenv.NewSessionNode(t)
	n := notifier(t, a.Address, b.Address)
	ofA, ofB := keys(a.Address, 3, b.Address), keys(b.Address, 2, a.Address)
	n.Tell(t.Context(), 777, append(ofB, ofA...))
	require.Equal(t, ended(777, ofA...), a.Told())
	require.Equal(t, ended(777, ofB...), b.Told())
}

// A call whose caller has gone has ended logins all the same.
func TestACancelledCallTellsAllTheSame(t *testing.T) {
	a := testenv.NewSessionNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	notifier(t, a.Address).Tell(ctx, 777, []int64{-5})
	require.Equal(t, ended(777, -5), a.Told())
}

func TestARedirectIsFollowedOnce(t *testing.T) {
	a, b := testenv.NewSessionNode(t), testenv.NewSessionNode(t)
	a.RedirectTo(b.Address) // b is not on the ring
	n := notifier(t, a.Address)
	n.Tell(t.Context(), 777, []int64{5})
	require.Equal(t, ended(777, 5), b.Told())
	require.Len(t, n.conns, 1, "the connection beside the ring is not kept")

	var asked atomic.Int32
	b.RedirectTo(a.Address)
	refuse := b.Answer
	b.Answer = func(ctx context.Context, in *session.TLSessionPushUpdatesData) error {
		asked.Add(1)
		return refuse(ctx, in)
	}
	n.Tell(t.Context(), 777, []int64{5})
	require.EqualValues(t, 1, asked.Load())
	require.Empty(t, a.Told())

	a.RedirectTo("nowhere")
	n.Tell(t.Context(), 777, []int64{5})
}

// A node that is gone, and one that says nothing, cost bounded time and no
// other node's keys.
func TestDeadNodesAreBounded(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	alive := testenv.NewSessionNode(t)
	nodes := []string{silent.Addr().String(), freeport.Address(t), alive.Address}
	all := keys(alive.Address, 50, nodes...)
	all = append(all, keys(nodes[0], 200, nodes...)...)
	all = append(all, keys(nodes[1], 200, nodes...)...)
	// One round that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool {
		n := notifier(t, nodes...) // which has not found out yet who is dead
		n.wait = 2 * time.Second   // for all of them, not for each
		alive.Told()
		began := time.Now()
		n.Tell(t.Context(), 777, all)
		return time.Since(began) < 2*n.wait && len(alive.Told()) == 50
	}, time.Minute, time.Millisecond)
}

func TestManyKeysAreToldAtOnce(t *testing.T) {
	a := testenv.NewSessionNode(t)
	arrived, release := make(chan struct{}, parallel), make(chan struct{})
	a.Answer = func(ctx context.Context, _ *session.TLSessionPushUpdatesData) error {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	n := notifier(t, a.Address)
	go func() {
		for range parallel {
			<-arrived
		}
		close(release) // as many as may be are there together
		for range parallel {
			<-arrived
		}
	}()
	n.Tell(t.Context(), 777, keys(a.Address, 2*parallel))
	require.Len(t, a.Told(), 2*parallel)
}

func TestNobodyIsTold(t *testing.T) {
	n, err := New(zrpc.RpcClientConf{})
	require.NoError(t, err)
	require.Nil(t, n)
	n.Tell(t.Context(), 777, []int64{1})
	n.Close()

	n = &Notifier{}
	n.ring.Store(ring.New(nil))
	n.Tell(t.Context(), 777, []int64{1, 2})
}

// Nodes come and go in etcd; when all entries are lost the last ring stays.
func TestNodesAreFoundInEtcd(t *testing.T) {
	hosts := strings.Split(testenv.Variable(t, "TEST_ETCD_ENDPOINTS"), ",")
	key := fmt.Sprintf("test.revocation.%d", time.Now().UnixNano())
	n, err := New(zrpc.RpcClientConf{Etcd: discov.EtcdConf{Hosts: hosts, Key: key}})
	require.NoError(t, err)
	defer n.Close()
	n.wait = time.Minute // a busy machine takes longer than patience
	publish := func(s *testenv.SessionNode) *discov.Publisher {
		p := discov.NewPublisher(hosts, key, s.Address)
		require.NoError(t, p.KeepAlive())
		return p
	}
	nodes := func(count int) {
		t.Helper()
		require.Eventually(t, func() bool { return len(n.ring.Load().Nodes()) == count }, time.Minute, 5*time.Millisecond)
	}
	a, b := testenv.NewSessionNode(t), testenv.NewSessionNode(t)
	pa := publish(a)
	nodes(1)
	pb := publish(b)
	nodes(2)
	id := keys(b.Address, 1, a.Address)[0]
	n.Tell(t.Context(), 777, []int64{id})
	require.Equal(t, ended(777, id), b.Told())
	pb.Stop()
	nodes(1)
	n.Tell(t.Context(), 777, []int64{id})
	require.Equal(t, ended(777, id), a.Told())
	require.Len(t, n.conns, 1, "no connection is kept to a node that left")
	pa.Stop()
	n.update(nil)
	n.Tell(t.Context(), 778, []int64{id})
	require.Equal(t, ended(778, id), a.Told())
}

func TestAnEtcdThatDoesNotAnswerIsAnError(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for five seconds")
	}
	_, err := New(zrpc.RpcClientConf{Etcd: discov.EtcdConf{Hosts: []string{"127.0.0.1:1"}, Key: "interface.session"}})
	require.ErrorContains(t, err, "session nodes (interface.session)")
	require.ErrorContains(t, err, "127.0.0.1:1")
}
