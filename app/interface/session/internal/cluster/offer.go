package cluster

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/proto/session"
)

const (
	offerTries = 3
	// offered is how many keys are offered at a time.
	offered = 1000
)

// offer tells the nodes that own keys by now that they are here, and lets go of those
// that nobody takes: their nodes do not know these calls, or do not come for them.
func (c *Cluster) offer(keys []int64) {
	epoch, byOwner := c.Epoch(), map[string][]int64{}
	for _, key := range keys {
		if owner, mine := c.Owner(key); !mine {
			byOwner[owner] = append(byOwner[owner], key)
		}
	}
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		for batch := range slices.Chunk(byOwner[owner], offered) {
			c.Nodes.Aside(func() {
				if left, err := c.offerTo(owner, batch); err != nil {
					c.let(left, epoch)
				}
			})
		}
	}
	// A node that takes an offer asks for the keys at once. It does not want a key that
	// is still here after this time, or that node has ended.
	c.schedule(takeOver/2+time.Duration(len(keys))*keyTime, func() { c.let(keys, epoch) })
}

// offerTo offers keys to a node, and those again that it refuses: it, or this node, has yet to
// hear of a change of the ring. It returns those that the node has not taken; an error says that
// it takes none of them: it is not there, or does not know the call.
func (c *Cluster) offerTo(owner string, keys []int64) (left []int64, err error) {
	client, err := c.Nodes.Peer(owner)
	if err != nil {
		return keys, err
	}
	for try := range offerTries {
		if try > 0 {
			c.o.Sleep(fetchPause << try)
		}
		ctx, cancel := context.WithTimeout(SendForwarded(context.Background()), c.o.PeerTimeout)
		out, e := client.OfferKeys(ctx, &session.OfferKeysRequest{From: c.Self(), PermAuthKeyIds: keys})
		cancel()
		if err = e; err == nil {
			keys = out.GetRefused()
		}
		if Unable(err) || len(keys) == 0 {
			break
		}
	}
	return keys, err
}

// let releases those of some keys that are another node's still. If the ring has changed since
// they were offered, it releases none: they are offered anew then, perhaps to another node.
func (c *Cluster) let(keys []int64, epoch uint32) {
	if c.Epoch() != epoch {
		return
	}
	foreign := slices.DeleteFunc(slices.Clone(keys), c.Owns)
	if released := c.keys.Release(foreign); released > 0 {
		logx.Infof("%d keys were not taken by their nodes", released)
	}
}

// Offered takes the offer of a node, and returns the keys that are not this one's.
func (c *Cluster) Offered(from string, keys []int64) (refused []int64) {
	c.answers(from)
	for _, key := range keys {
		if !c.Owns(key) || c.Left() || !c.offers.Go(func() { c.takeOffered(from, key) }) {
			refused = append(refused, key)
		}
	}
	return refused
}

// takeOffered fetches a key that a node has offered. There may be many, and the ring may
// change before it is the turn of this one: then that node offers it anew, or this one does
// once it has it.
func (c *Cluster) takeOffered(from string, key int64) {
	if !c.Owns(key) || c.Left() {
		return
	}
	c.keys.Arrive(key, from, func() (*session.KeyState, error) {
		until := c.now() + int64(c.o.PeerTimeout)
		return c.fetch(key, []string{from}, until, until, false)
	})
	if !c.Owns(key) && (c.Left() || !c.Converging()) { // release has passed over it
		c.offer([]int64{key})
	}
}
