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
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zeromicro/go-zero/core/hash"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
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
	conf        redisconf.Node
	client      redis.UniversalClient
	kept        *keeper // nil for a Redis cluster
	failures    atomic.Int32
	restingTill atomic.Int64 // Unix nanoseconds

	unlookedTill atomic.Int64 // Unix nanoseconds
}

// String is what the consistent hash is computed from.
func (n *node) String() string { return n.conf.Name() }

// New prepares the clients; it connects to nothing.
func New(list redisconf.Nodes) *Ring {
	r := &Ring{}
	for _, c := range list {
		client := NewClient(c)
		r.nodes = append(r.nodes, &node{conf: c, client: client, kept: newKeeper(client)})
	}
	if len(r.nodes) > 1 {
		r.dispatch = hash.NewConsistentHash()
		for i, n := range r.nodes {
			r.dispatch.AddWithWeight(n, list[i].Weight)
		}
	}
	return r
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
func (r *Ring) Node(key string) string { return r.node(key).String() }

// Together reports whether one run of a script may have all of keys: they belong to one
// node, which is no Redis cluster.
func (r *Ring) Together(keys []string) bool {
	first := r.node(keys[0])
	for _, key := range keys[1:] {
		if r.node(key) != first {
			return false
		}
	}
	return first.conf.Type != redisconf.TypeCluster
}

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

// Ping asks every node. It returns a conf.KeyError for each that does not answer;
// key is where the configuration has the ring.
func (r *Ring) Ping(ctx context.Context, key string) error {
	var errs []error
	for i, n := range r.nodes {
		if err := n.client.Ping(ctx).Err(); err != nil {
			t := Explain(ctx, n.conf, err)
			errs = append(errs, &conf.KeyError{Key: fmt.Sprintf("%s[%d].%s", key, i, t.Key), Problem: fmt.Sprintf("(Redis %s) %s", n.conf, t.Problem), Fix: t.Fix})
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
	if err == nil || !timedOut(err) || time.Since(began) >= patience { // else the caller had no time: that is not the node's fault
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
