package discovery

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// published is the one key of a service.
func published(t *testing.T, etcd *etcdtest.Etcd, key string) *mvccpb.KeyValue {
	t.Helper()
	list, err := etcd.Get(t.Context(), key+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, list.Kvs, 1)
	return list.Kvs[0]
}

func publish(t *testing.T, c discov.EtcdConf, value string) *Publication {
	t.Helper()
	p, err := Publish(t.Context(), c, value, soon, nil)
	require.NoError(t, err)
	t.Cleanup(func() { p.cancel(); <-p.done; p.etcd.Close() })
	return p
}

// Gateways and stock nodes read the keys, too.
func TestKeysAreNamedAsGoZeroDoes(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("named")
	p := publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, "a:1")
	kv := published(t, etcd, key)
	require.Equal(t, key+"/"+strconv.FormatInt(kv.Lease, 10), string(kv.Key))
	require.Equal(t, "a:1", string(kv.Value))
	lease, err := etcd.TimeToLive(t.Context(), clientv3.LeaseID(kv.Lease))
	require.NoError(t, err)
	require.EqualValues(t, 10, lease.GrantedTTL)
	require.NoError(t, p.Withdraw(t.Context()))

	publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key, ID: 7}, "a:1")
	require.Equal(t, key+"/7", string(published(t, etcd, key).Key))
}

func TestWhatIsLostIsRegisteredAgain(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("lost")
	publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, "a:1")
	first := published(t, etcd, key)
	again := func() {
		t.Helper()
		require.Eventually(t, func() bool { return len(etcd.Values(key)) == 1 }, soon, 5*time.Millisecond)
	}
	etcd.Unset(string(first.Key))
	again()
	require.Equal(t, first.Lease, published(t, etcd, key).Lease)

	_, err := etcd.Revoke(t.Context(), clientv3.LeaseID(first.Lease))
	require.NoError(t, err)
	again()
	require.NotEqual(t, first.Lease, published(t, etcd, key).Lease)
}

// A process that did not run learns from Confirm whether others have missed it, also
// where the goroutine that renews the lease was first to see it.
func TestConfirm(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("confirmed")
	lost := 0
	p, err := Publish(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, "a:1", soon, func() {
		lost++
		require.Empty(t, etcd.Values(key), "it is not listed again yet")
	})
	require.NoError(t, err)
	confirm := func(want bool) {
		t.Helper()
		unbroken, err := p.Confirm(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, unbroken)
		require.Equal(t, []string{"a:1"}, etcd.Values(key))
	}
	confirm(true)
	etcd.Unset(string(published(t, etcd, key).Key)) // what is lost so comes back under its lease
	confirm(true)
	_, err = etcd.Revoke(t.Context(), clientv3.LeaseID(published(t, etcd, key).Lease))
	require.NoError(t, err)
	confirm(false)
	confirm(true)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = etcd.Revoke(t.Context(), clientv3.LeaseID(published(t, etcd, key).Lease))
	require.NoError(t, err)
	_, err = p.Confirm(ended)
	require.Error(t, err)
	confirm(false) // nobody has been told of it yet
	require.Equal(t, 2, lost)

	require.False(t, p.Overdue())
	p.began = p.began.Add(-11 * time.Second) // etcd says nothing for longer than the lease lasts
	require.True(t, p.Overdue())
	confirm(true)
	require.False(t, p.Overdue())

	require.NoError(t, p.Withdraw(t.Context()))
	_, err = p.Confirm(t.Context())
	require.Error(t, err)
	require.Empty(t, etcd.Values(key))
}

// A fixed id's key may be there under the lease of the process before, which
// ends soon.
func TestAKeyThatAnotherLeaseHoldsIsTakenOver(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("fixed")
	etcd.Set(key+"/7", "a:1")
	publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key, ID: 7}, "a:1")
	require.NotZero(t, published(t, etcd, key).Lease)
}

func TestWithdrawLeavesNoKeyOfTheAddress(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("withdraw")
	etcd.Set(key+"/1", "a:1") // of a process that crashed
	etcd.Set(key+"/2", "b:1")
	p := publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, "a:1")
	require.Len(t, etcd.Values(key), 3)
	require.NoError(t, p.Withdraw(t.Context()))
	require.Equal(t, []string{"b:1"}, etcd.Values(key))
}

func TestPublicationSurvivesAnEtcdThatBreaks(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("breaks")
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	p := publish(t, discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: key}, "a:1")
	lease := clientv3.LeaseID(published(t, etcd, key).Lease)
	proxy.CutSeen(t)
	etcd.Compact()
	proxy.Silence(t, 1)
	proxy.CutSeen(t)
	proxy.Restore()
	left := func() int64 {
		answer, err := etcd.TimeToLive(t.Context(), lease)
		require.NoError(t, err)
		return answer.TTL
	}
	require.Eventually(t, func() bool { return left() < leaseTTL-2 }, soon, 50*time.Millisecond, "some time passes")
	require.Eventually(t, func() bool { return left() >= leaseTTL-1 }, soon, 50*time.Millisecond, "the lease is kept alive again")
	require.EqualValues(t, lease, published(t, etcd, key).Lease, "one lease does")
	require.NoError(t, p.Withdraw(t.Context()))
	require.Empty(t, etcd.Values(key))
}

func TestWithdrawEndsWithItsContext(t *testing.T) {
	etcd := etcdtest.Dial(t)
	for name, state := range map[string]func(*tcpproxy.Proxy){
		"away":   func(p *tcpproxy.Proxy) { p.CutSeen(t) },
		"silent": func(p *tcpproxy.Proxy) { p.Silence(t, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
			p := publish(t, discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: etcd.Key("end")}, "a:1")
			state(proxy)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			promptly(t, "Withdraw", func() { require.Error(t, p.Withdraw(ctx)) })
		})
	}
}

func TestNoRegistration(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for _, host := range []string{l.Addr().String(), "127.0.0.1:1"} {
		for _, user := range []string{"", "somebody"} {
			c := discov.EtcdConf{Hosts: []string{host}, Key: "a.service", User: user, Pass: user}
			began := time.Now()
			_, err := Publish(t.Context(), c, "a:1", 200*time.Millisecond, nil)
			require.ErrorContains(t, err, "etcd at "+host+" is not usable")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = Publish(ctx, c, "a:1", time.Minute, nil)
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, time.Since(began), requestTimeout)
		}
	}
}

// Who deletes the key, or writes over it, was noticed with the next renewal of the lease,
// three seconds later: for that time nobody found the address. It does not matter if its own
// watch has begun by then.
func TestAChangeOfTheKeyIsMendedAtOnce(t *testing.T) {
	etcd := etcdtest.Dial(t)
	for name, change := range map[string]func(key string){
		"deleted":      func(key string) { etcd.Unset(key) },
		"written over": func(key string) { etcd.Set(key, "b:2") },
	} {
		t.Run(name, func(t *testing.T) {
			key := etcd.Key("changed")
			p := publish(t, discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, "a:1")
			text, err := p.Listed()
			require.NoError(t, err)
			require.Contains(t, text, "lists a:1 under "+key)
			require.NotContains(t, text, "anew")
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			events := etcd.Watch(ctx, key+"/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
			<-events
			began := time.Now()
			change(string(published(t, etcd, key).Key))
			for mended := false; !mended; {
				answer, open := <-events
				require.True(t, open, "it was not mended")
				for _, e := range answer.Events {
					mended = mended || e.Type == clientv3.EventTypePut && string(e.Kv.Value) == "a:1"
				}
			}
			require.Less(t, time.Since(began), prompt)
			require.Eventually(t, func() bool {
				text, err := p.Listed()
				return err == nil && strings.Contains(text, "written anew 1 times")
			}, soon, time.Millisecond)
		})
	}
}

// Two nodes with one ID write the key in turn: no faster than once a second each.
func TestTwoOwnersOfOneKeyDoNotRace(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("twins")
	conf := discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key, ID: 7}
	publish(t, conf, "a:1")
	publish(t, conf, "b:2")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	writes := 0
	for answer := range etcd.Watch(ctx, key+"/", clientv3.WithPrefix()) {
		writes += len(answer.Events)
	}
	require.Less(t, writes, 12)
}

// An address that etcd has not shown for longer than a lease lasts may be gone.
func TestListedIsNotOnlyBelieved(t *testing.T) {
	p := &Publication{value: "a:1", conf: discov.EtcdConf{Key: "k"}, began: time.Now().Add(-time.Minute)}
	p.listedNow()
	_, err := p.Listed()
	require.NoError(t, err)
	p.shown.Store(int64(time.Minute - 11*time.Second))
	_, err = p.Listed()
	require.Error(t, err)
	require.Regexp(t, `^has not confirmed for 1\d(\.\d)?s that it lists a:1 under k$`, err.Error())
}
