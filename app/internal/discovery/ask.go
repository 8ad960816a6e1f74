package discovery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Asker asks etcd single questions and changes nothing. Its methods may be called
// from any goroutine; each waits as long as its ctx does.
type Asker struct {
	etcd  *clientv3.Client
	hosts []string
}

// Registration is one address under a service's key.
type Registration struct {
	Key   string // where it stands: interface.gateway/7587
	Value string // host:port
	Lease int64  // with which it ends; 0: it stays until somebody deletes it
}

// Host is what one host of etcd says of itself.
type Host struct {
	Address string
	Cluster uint64 // which cluster it is of
	Leader  bool   // whether that has a leader
	Err     error  // it has said nothing
}

// NewAsker makes a client of the etcd that c names. Close ends it.
func NewAsker(ctx context.Context, c discov.EtcdConf) (*Asker, error) {
	conf, err := etcdConfig(c)
	if err != nil {
		return nil, err
	}
	conf.AutoSyncInterval = 0
	etcd, err := dial(ctx, conf)
	if err != nil {
		return nil, err
	}
	return &Asker{etcd: etcd, hosts: c.Hosts}, nil
}

// Close ends the client.
func (a *Asker) Close() { a.etcd.Close() }

// Hosts asks each host of the configuration for itself, in their order.
func (a *Asker) Hosts(ctx context.Context) []Host {
	list := make([]Host, len(a.hosts))
	done := make(chan struct{})
	for i, address := range a.hosts {
		go func() {
			defer func() { done <- struct{}{} }()
			list[i].Address = address
			status, err := a.etcd.Status(ctx, address)
			if err != nil {
				list[i].Err = err
				return
			}
			list[i].Cluster, list[i].Leader = status.Header.ClusterId, status.Leader != 0
		}()
	}
	for range a.hosts {
		<-done
	}
	return list
}

// Registered lists what is registered under a service's key, by address.
func (a *Asker) Registered(ctx context.Context, key string) ([]Registration, error) {
	answer, err := a.etcd.Get(ctx, key+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	list := make([]Registration, len(answer.Kvs))
	for i, kv := range answer.Kvs {
		list[i] = Registration{Key: string(kv.Key), Value: string(kv.Value), Lease: kv.Lease}
	}
	slices.SortFunc(list, func(a, b Registration) int {
		return strings.Compare(a.Value+" "+a.Key, b.Value+" "+b.Key)
	})
	return list, nil
}

// maxKeys is how many keys Services looks at.
const maxKeys = 10_000

// Services lists the keys that anything is registered under: the part of etcd's
// keys before a last part that is a number. Of a large etcd it sees a part.
func (a *Asker) Services(ctx context.Context) ([]string, error) {
	answer, err := a.etcd.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithKeysOnly(), clientv3.WithLimit(maxKeys))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, kv := range answer.Kvs {
		key := string(kv.Key)
		slash := strings.LastIndexByte(key, '/')
		if slash <= 0 {
			continue
		}
		if _, err := strconv.ParseUint(key[slash+1:], 10, 64); err == nil {
			names[key[:slash]] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Left returns how long a lease lasts from now on; 0: it has ended.
func (a *Asker) Left(ctx context.Context, lease int64) (time.Duration, error) {
	answer, err := a.etcd.TimeToLive(ctx, clientv3.LeaseID(lease))
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound), err == nil && answer.TTL <= 0:
		return 0, nil
	case err != nil:
		return 0, err
	}
	return time.Duration(answer.TTL) * time.Second, nil
}
