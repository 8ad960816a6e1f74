package discovery

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

const (
	soon = 20 * time.Second
	// prompt is shorter than what something takes that waits for a request to etcd to run
	// out of its time (requestTimeout), or for the next renewal of a lease (leaseTTL/3).
	prompt = 2500 * time.Millisecond
)

// heard is what a subscription was told, list by list.
type heard struct {
	mu    sync.Mutex
	lists [][]string
}

func (h *heard) update(values []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists = append(h.lists, values)
}

func (h *heard) all() [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lists)
}

func (h *heard) last() []string {
	all := h.all()
	return all[len(all)-1]
}

func (h *heard) await(t *testing.T, values ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return slices.Equal(h.last(), values) }, soon, 5*time.Millisecond, "%v", values)
}

// promptly fails when f does not return soon.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(prompt):
		t.Fatalf("%s takes more than %v", what, prompt)
	}
}

// through subscribes by way of a proxy.
func through(t *testing.T, key string) (*heard, *tcpproxy.Proxy, *Subscription) {
	t.Helper()
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	h := new(heard)
	sub, err := Subscribe(t.Context(), discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: key}, soon, h.update)
	require.NoError(t, err)
	t.Cleanup(sub.Close)
	return h, proxy, sub
}

func TestSubscriptionTellsOfEveryChangeInOrder(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("every")
	h := new(heard)
	sub, err := Subscribe(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, soon, h.update)
	require.NoError(t, err)
	require.Equal(t, [][]string{nil}, h.all(), "the first list is there when Subscribe returns")
	etcd.Set(key+"/1", "b:1")
	etcd.Set(key+"/2", "a:1")
	etcd.Set(key+"/3", "a:1") // the same node under another lease
	etcd.Set(key+"2/1", "c:1")
	etcd.Unset(key + "/2")
	etcd.Unset(key + "/1")
	etcd.Set(key+"/3", "d:1")
	h.await(t, "d:1")
	require.Equal(t, [][]string{nil, {"b:1"}, {"a:1", "b:1"}, {"a:1"}, {"d:1"}}, h.all())
	sub.Close()
	sub.Close()
	etcd.Set(key+"/4", "e:1")
	require.Equal(t, []string{"d:1"}, h.last())
}

// What changes while the first list is being taken in comes after it: the
// older list never overwrites the newer one.
func TestTheFirstListIsTheFirst(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("first")
	etcd.Set(key+"/1", "a:1")
	h := new(heard)
	sub, err := Subscribe(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, soon, func(values []string) {
		if len(h.all()) == 0 {
			etcd.Set(key+"/2", "b:1")
		}
		h.update(values)
	})
	require.NoError(t, err)
	defer sub.Close()
	h.await(t, "a:1", "b:1")
	require.Equal(t, [][]string{{"a:1"}, {"a:1", "b:1"}}, h.all())
}

// go-zero's subscriber waited for itself when the connection broke again
// before the first break was dealt with.
func TestSubscriptionSurvivesAnEtcdThatBreaksTwice(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("twice")
	etcd.Set(key+"/1", "a:1")
	h, proxy, sub := through(t, key)
	proxy.CutSeen(t)
	proxy.Silence(t, 1)
	proxy.CutSeen(t)
	proxy.Restore()
	etcd.Set(key+"/2", "b:1")
	h.await(t, "a:1", "b:1")
	promptly(t, "Close", sub.Close)
}

func TestTheListStaysWhileEtcdIsAway(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("away")
	etcd.Set(key+"/1", "a:1")
	h, proxy, _ := through(t, key)
	proxy.CutSeen(t)
	etcd.Unset(key + "/1")
	etcd.Set(key+"/2", "b:1")
	proxy.Restore()
	h.await(t, "b:1")
	require.Equal(t, [][]string{{"a:1"}, {"b:1"}}, h.all(), "nothing is told of a time nobody knows of")
}

// The revision to go on from is gone when the connection is back.
func TestSubscriptionSurvivesCompaction(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("compacted")
	etcd.Set(key+"/1", "a:1")
	h, proxy, _ := through(t, key)
	proxy.CutSeen(t)
	etcd.Set(key+"/2", "b:1")
	etcd.Unset(key + "/1")
	etcd.Compact()
	proxy.Restore()
	h.await(t, "b:1")
	etcd.Set(key+"/3", "c:1")
	h.await(t, "b:1", "c:1")
}

func TestCloseWaitsForNoEtcd(t *testing.T) {
	etcd := etcdtest.Dial(t)
	for name, state := range map[string]func(*tcpproxy.Proxy){
		"well":    func(*tcpproxy.Proxy) {},
		"away":    func(p *tcpproxy.Proxy) { p.CutSeen(t) },
		"silent":  func(p *tcpproxy.Proxy) { p.CutSeen(t); p.Silence(t, 1) },
		"back":    func(p *tcpproxy.Proxy) { p.CutSeen(t); p.Restore() },
		"flutter": func(p *tcpproxy.Proxy) { p.CutSeen(t); p.Silence(t, 1); p.CutSeen(t); p.Silence(t, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			_, proxy, sub := through(t, etcd.Key("close"))
			state(proxy)
			promptly(t, "Close", sub.Close)
		})
	}
}

// An etcd that takes connections and says nothing, and one that is not there.
func TestNoFirstList(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	never := func([]string) { t.Error("told of a list") }
	for _, host := range []string{l.Addr().String(), "127.0.0.1:1"} {
		for _, user := range []string{"", "somebody"} { // who needs a token first
			c := discov.EtcdConf{Hosts: []string{host}, Key: "a.service", User: user, Pass: user}
			began := time.Now()
			_, err := Subscribe(t.Context(), c, 200*time.Millisecond, never)
			require.ErrorContains(t, err, "etcd at "+host+" is not usable")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = Subscribe(ctx, c, time.Minute, never)
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, time.Since(began), requestTimeout)
		}
	}
	_, err = Subscribe(t.Context(), discov.EtcdConf{}, time.Second, never)
	require.ErrorContains(t, err, "empty etcd hosts")
}
