// Package redisring spreads keys over Redis nodes exactly as go-zero's cache
// and kv do (consistent hash over the nodes' addresses, by weight), so that
// both find the same values. Unlike go-zero's client it never writes a
// command's arguments to the log, since they hold key material, and it gives
// up on a node within half a second, the wait for a connection included: what a
// dead Redis knows is asked of MySQL. What may have been carried out is not sent
// again.
package redisring

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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
	timeout     = 500 * time.Millisecond // of a call: to get a connection, to write, to read
	patience    = timeout / 2            // less than that says nothing of a node
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
	r := &Ring{}
	for _, c := range conf {
		r.nodes = append(r.nodes, &node{address: c.Host, client: NewClient(c)})
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

// NewClient makes a client of one node, as a Ring has it; it connects to nothing.
func NewClient(c cache.NodeConf) redis.UniversalClient {
	silence()
	var security *tls.Config
	if c.Tls { // as go-zero does: encrypted, not authenticated
		security = &tls.Config{InsecureSkipVerify: true}
	}
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if c.Type == "cluster" {
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: strings.Split(c.Host, ","), Username: c.User, Password: c.Pass, TLSConfig: security, Protocol: c.Protocol,
			DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
			DisableIdentity: c.DisableIdentity, MaintNotificationsConfig: quiet, DisableRoutingPolicies: true,
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
	err = r.node(key).try(ctx, func(ctx context.Context, c redis.UniversalClient) error {
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
	err = r.node(key).try(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		fields, err = c.HGetAll(ctx, key).Result()
		return err
	})
	return fields, err
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

// try runs f, within half a second, unless the node rests, and counts how it
// went.
func (n *node) try(ctx context.Context, f func(context.Context, redis.UniversalClient) error) error {
	if till := n.restingTill.Load(); till != 0 && time.Now().UnixNano() < till {
		return ErrResting
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	err := f(bounded, n.client)
	if !timedOut(err) || time.Since(began) >= patience { // else the caller had no time: that is not the node's fault
		n.count(err)
	}
	return err
}

// timedOut reports whether err says that time was up, ours or the caller's.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// count lets a node rest after failures in a row; once it has rested, each
// single failure sends it back.
func (n *node) count(err error) {
	switch {
	case err == nil || refused(err):
		n.failures.Store(0)
		n.restingTill.Store(0)
	case errors.Is(err, context.Canceled):
	case n.failures.Add(1) >= tolerated:
		n.restingTill.Store(time.Now().Add(restingTime).UnixNano())
	}
}

// refused reports whether err is an answer, if only "no".
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}
