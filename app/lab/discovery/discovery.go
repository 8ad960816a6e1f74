// Package discovery registers and finds services in etcd the way go-zero does:
// a service under the key "interface.session" is the set of values under the
// prefix "interface.session/", each put with a lease of its own whose id ends
// the key.
//
// go-zero's own implementation keeps its etcd clients for the life of the
// process; a lab comes and goes within one.
package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	leaseTTL    = 10 // seconds, as go-zero's
	dialTimeout = 5 * time.Second
	retryAfter  = 500 * time.Millisecond
)

// Client is a connection to an etcd cluster. It is safe for concurrent use.
type Client struct {
	etcd *clientv3.Client
	stop context.CancelFunc
	ctx  context.Context
	wg   sync.WaitGroup
}

// Dial connects to the cluster; it fails when no endpoint answers in time.
func Dial(ctx context.Context, endpoints []string) (*Client, error) {
	etcd, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    dialTimeout,
		DialKeepAliveTimeout: dialTimeout,
		Logger:               zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if _, err := etcd.Get(ctx, "/", clientv3.WithCountOnly()); err != nil {
		_ = etcd.Close()
		return nil, fmt.Errorf("discovery: etcd at %v: %w", endpoints, err)
	}
	c := &Client{etcd: etcd}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Close ends all watches and registrations; those still published are
// withdrawn.
func (c *Client) Close() error {
	c.stop()
	c.wg.Wait()
	return c.etcd.Close()
}

// Publish registers value under key until withdraw is called, and again
// whenever the lease is lost. withdraw may be called more than once.
func (c *Client) Publish(ctx context.Context, key, value string) (withdraw func(), err error) {
	lease, alive, err := c.register(ctx, key, value)
	if err != nil {
		return nil, fmt.Errorf("discovery: publish %s: %w", key, err)
	}
	own, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	c.wg.Go(func() {
		defer close(done)
		defer func() {
			bound, cancel := context.WithTimeout(context.Background(), dialTimeout)
			defer cancel()
			_, _ = c.etcd.Revoke(bound, lease)
		}()
		for {
			for open := true; open; {
				select {
				case _, open = <-alive:
				case <-own.Done():
					return
				}
			}
			for { // the lease is lost
				if !pause(own) {
					return
				}
				if l, ch, err := c.register(own, key, value); err == nil {
					lease, alive = l, ch
					break
				}
			}
		}
	})
	return func() { cancel(); <-done }, nil
}

func (c *Client) register(ctx context.Context, key, value string) (clientv3.LeaseID, <-chan *clientv3.LeaseKeepAliveResponse, error) {
	grant, err := c.etcd.Grant(ctx, leaseTTL)
	if err != nil {
		return 0, nil, err
	}
	name := key + "/" + strconv.FormatInt(int64(grant.ID), 10)
	if _, err := c.etcd.Put(ctx, name, value, clientv3.WithLease(grant.ID)); err != nil {
		return 0, nil, err
	}
	alive, err := c.etcd.KeepAlive(c.ctx, grant.ID)
	return grant.ID, alive, err
}

// Values returns who is registered under key now, sorted.
func (c *Client) Values(ctx context.Context, key string) ([]string, error) {
	set, _, err := c.list(ctx, key)
	if err != nil {
		return nil, err
	}
	return values(set), nil
}

// Watch calls update with the sorted set of values under key, at once and
// after each change, one call at a time, until the client is closed. While
// etcd cannot be reached the last set stays.
func (c *Client) Watch(ctx context.Context, key string, update func([]string)) error {
	set, revision, err := c.list(ctx, key)
	if err != nil {
		return err
	}
	update(values(set))
	c.wg.Go(func() {
		for {
			c.follow(key, set, revision, update)
			for {
				if !pause(c.ctx) {
					return
				}
				if set, revision, err = c.list(c.ctx, key); err == nil {
					break
				}
			}
			update(values(set))
		}
	})
	return nil
}

// follow applies changes to set until the watch breaks.
func (c *Client) follow(key string, set map[string]string, revision int64, update func([]string)) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(c.ctx))
	defer cancel()
	for resp := range c.etcd.Watch(ctx, key+"/", clientv3.WithPrefix(), clientv3.WithRev(revision+1)) {
		if resp.Err() != nil {
			return
		}
		for _, ev := range resp.Events {
			if ev.Type == clientv3.EventTypeDelete {
				delete(set, string(ev.Kv.Key))
			} else {
				set[string(ev.Kv.Key)] = string(ev.Kv.Value)
			}
		}
		if len(resp.Events) > 0 {
			update(values(set))
		}
	}
}

func (c *Client) list(ctx context.Context, key string) (set map[string]string, revision int64, err error) {
	resp, err := c.etcd.Get(ctx, key+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("discovery: list %s: %w", key, err)
	}
	set = make(map[string]string, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		set[string(kv.Key)] = string(kv.Value)
	}
	return set, resp.Header.Revision, nil
}

func values(set map[string]string) []string {
	return slices.Compact(slices.Sorted(maps.Values(set)))
}

// pause waits before another try; it reports false when there is none to be.
func pause(ctx context.Context) bool {
	t := time.NewTimer(retryAfter)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
