// Package redisring spreads keys over Redis nodes exactly as go-zero's cache
// and kv do (consistent hash over the nodes' addresses, by weight), so that
// both find the same values. Unlike go-zero's client it never writes a
// command's arguments to the log, since they hold key material, and it gives
// up on a node within half a second: what a dead Redis knows is asked of
// MySQL.
package redisring

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/zeromicro/go-zero/core/hash"
	"github.com/zeromicro/go-zero/core/stores/cache"
)

const (
	timeout     = 500 * time.Millisecond // to connect, to write, to read
	tolerated   = 3                      // failures in a row until a node rests
	restingTime = time.Second
)

// ErrResting means that a node failed repeatedly and is left alone for a
// second.
var ErrResting = errors.New("redis node does not answer")

// Ring is a set of Redis nodes. Its methods may be called from any goroutine.
type Ring struct {
	nodes    []*node
	dispatch *hash.ConsistentHash // nil with one node
}

type node struct {
	address     string
	client      redis.UniversalClient
	failures    atomic.Int32
	restingTill atomic.Int64 // Unix nanoseconds
}

// String is what the consistent hash is computed from.
func (n *node) String() string { return n.address }

// New prepares the clients; it connects to nothing.
func New(conf cache.ClusterConf) *Ring {
	silence()
	r := &Ring{}
	for _, c := range conf {
		r.nodes = append(r.nodes, &node{address: c.Host, client: newClient(c)})
	}
	if len(r.nodes) > 1 {
		r.dispatch = hash.NewConsistentHash()
		for i, n := range r.nodes {
			r.dispatch.AddWithWeight(n, conf[i].Weight)
		}
	}
	return r
}

// silence keeps go-redis from writing each failed connection to standard
// error: the errors come back as values.
var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func newClient(c cache.NodeConf) redis.UniversalClient {
	var security *tls.Config
	if c.Tls { // as go-zero does: encrypted, not authenticated
		security = &tls.Config{InsecureSkipVerify: true}
	}
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if c.Type == "cluster" {
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: strings.Split(c.Host, ","), Username: c.User, Password: c.Pass, TLSConfig: security, Protocol: c.Protocol,
			DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
			DisableIdentity: c.DisableIdentity, MaintNotificationsConfig: quiet,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: c.Host, Username: c.User, Password: c.Pass, TLSConfig: security, Protocol: c.Protocol, MaxRetries: -1,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true, DialerRetries: 1,
		DisableIdentity: c.DisableIdentity, MaintNotificationsConfig: quiet,
	})
}

func (r *Ring) node(key string) *node {
	if r.dispatch != nil {
		if n, ok := r.dispatch.Get(key); ok {
			return n.(*node)
		}
	}
	return r.nodes[0]
}

// Node names the node that key lives on.
func (r *Ring) Node(key string) string { return r.node(key).address }

// Get returns the string at key; found is false when there is none.
func (r *Ring) Get(ctx context.Context, key string) (value string, found bool, err error) {
	err = r.node(key).try(func(c redis.UniversalClient) error {
		value, err = c.Get(ctx, key).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return value, err == nil, err
}

// Hash returns the fields of the hash at key; none when there is no such key.
func (r *Ring) Hash(ctx context.Context, key string) (fields map[string]string, err error) {
	err = r.node(key).try(func(c redis.UniversalClient) error {
		fields, err = c.HGetAll(ctx, key).Result()
		return err
	})
	return fields, err
}

// Delete removes key.
func (r *Ring) Delete(ctx context.Context, key string) error {
	return r.node(key).client.Del(ctx, key).Err()
}

// Run runs a script on the node of keys[0]; the other keys must belong to it
// (and, with a Redis cluster, hash to its slot).
func (r *Ring) Run(ctx context.Context, script *redis.Script, keys []string, args ...any) (result any, err error) {
	err = r.node(keys[0]).try(func(c redis.UniversalClient) error {
		result, err = script.Run(ctx, c, keys, args...).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return result, err
}

// Insist is Run, but asks a resting node too.
func (r *Ring) Insist(ctx context.Context, script *redis.Script, keys []string, args ...any) error {
	n := r.node(keys[0])
	err := script.Run(ctx, n.client, keys, args...).Err()
	n.count(err)
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Call is one run of a script on one key.
type Call struct {
	Key  string
	Args []any
}

// RunEach runs a script for each call, in one round trip a node, and returns
// the results in their order. An error tells that not all of them ran.
func (r *Ring) RunEach(ctx context.Context, script string, calls []Call) (results []any, err error) {
	results = make([]any, len(calls))
	byNode := map[*node][]int{}
	for i, c := range calls {
		n := r.node(c.Key)
		byNode[n] = append(byNode[n], i)
	}
	for n, indexes := range byNode {
		err := n.try(func(c redis.UniversalClient) error {
			pipe := c.Pipeline()
			for _, i := range indexes {
				pipe.Eval(ctx, script, []string{calls[i].Key}, calls[i].Args...)
			}
			answers, err := pipe.Exec(ctx)
			if err != nil {
				return err
			}
			for k, i := range indexes {
				results[i] = answers[k].(*redis.Cmd).Val()
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// Ping asks every node and returns the errors of those that do not answer.
func (r *Ring) Ping(ctx context.Context) error {
	var errs []error
	for _, n := range r.nodes {
		if err := n.client.Ping(ctx).Err(); err != nil {
			errs = append(errs, fmt.Errorf("redis %s: %w", n.address, err))
		}
	}
	return errors.Join(errs...)
}

// Close ends all connections.
func (r *Ring) Close() error {
	var errs []error
	for _, n := range r.nodes {
		errs = append(errs, n.client.Close())
	}
	return errors.Join(errs...)
}

// try runs f unless the node rests, and counts how it went.
func (n *node) try(f func(redis.UniversalClient) error) error {
	if till := n.restingTill.Load(); till != 0 && time.Now().UnixNano() < till {
		return ErrResting
	}
	err := f(n.client)
	n.count(err)
	return err
}

// count lets a node rest after failures in a row; once it has rested, each
// single failure sends it back.
func (n *node) count(err error) {
	var refused redis.Error // an answer, if only "no"
	switch {
	case err == nil || errors.As(err, &refused):
		n.failures.Store(0)
		n.restingTill.Store(0)
	case errors.Is(err, context.Canceled):
	case n.failures.Add(1) >= tolerated:
		n.restingTill.Store(time.Now().Add(restingTime).UnixNano())
	}
}
