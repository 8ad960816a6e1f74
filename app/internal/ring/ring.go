// Package ring says which session node owns an auth key: a consistent hash
// over the nodes that etcd lists, computed alike by all who send to them.
package ring

import (
	"slices"
	"strconv"
	"sync"

	"github.com/spaolacci/murmur3"
)

// The ring that every gateway computes for itself (PEERS.md, "Discovery and sharding"); these
// numbers are part of the wire contract.
const (
	replicas  = 100
	tiePrefix = "16777619:"
)

// Ring maps auth keys to session nodes by consistent hashing. It never
// changes after New, so it may be read by all.
type Ring struct {
	nodes  []string // sorted
	points []point  // sorted by hash
}

type point struct {
	hash uint64
	node int32
}

// New makes the ring of nodes, which are host:port. Order and duplicates
// do not matter.
func New(nodes []string) *Ring {
	r := &Ring{nodes: slices.Compact(slices.Sorted(slices.Values(nodes)))}
	r.points = make([]point, 0, replicas*len(r.nodes))
	var buf []byte
	for n, node := range r.nodes {
		for i := range replicas {
			buf = strconv.AppendInt(append(buf[:0], node...), int64(i), 10)
			r.points = append(r.points, point{murmur3.Sum64(buf), int32(n)})
		}
	}
	slices.SortStableFunc(r.points, func(a, b point) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return 0
	})
	return r
}

// digits has room for what is hashed of a key: murmur3 would have it allocated.
var digits = sync.Pool{New: func() any { return new([40]byte) }}

// Owner is the node that owns a perm auth key id; empty on an empty ring.
func (r *Ring) Owner(permAuthKeyID int64) string {
	if len(r.points) == 0 {
		return ""
	}
	return r.nodes[r.points[r.place(permAuthKeyID)].node]
}

// Owners are the node that owns a perm auth key id, the one that would without it, and so
// on: n of them, or as many as there are.
func (r *Ring) Owners(permAuthKeyID int64, n int) (nodes []string) {
	n = min(n, len(r.nodes))
	if n == 0 {
		return nil
	}
	for i := r.place(permAuthKeyID); len(nodes) < n; i = (i + 1) % len(r.points) {
		if node := r.nodes[r.points[i].node]; !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// place is the point of a key's owner. There is one at least.
func (r *Ring) place(permAuthKeyID int64) int {
	scratch := digits.Get().(*[40]byte)
	defer digits.Put(scratch)
	key := strconv.AppendInt(scratch[:0], permAuthKeyID, 10)
	hash := murmur3.Sum64(key)
	i, _ := slices.BinarySearchFunc(r.points, hash, func(p point, h uint64) int {
		if p.hash < h {
			return -1
		}
		return 1 // never equal: the first of several at one hash is found
	})
	if i == len(r.points) {
		i = 0
	}
	same := 1
	for i+same < len(r.points) && r.points[i+same].hash == r.points[i].hash {
		same++
	}
	if same > 1 {
		key = strconv.AppendInt(append(scratch[:0], tiePrefix...), permAuthKeyID, 10)
		i += int(murmur3.Sum64(key) % uint64(same))
	}
	return i
}

// Nodes lists the nodes, sorted. The caller must not change the slice.
func (r *Ring) Nodes() []string { return r.nodes }

// Has reports whether node is on the ring.
func (r *Ring) Has(node string) bool {
	_, ok := slices.BinarySearch(r.nodes, node)
	return ok
}
