package upstream

import (
	"strconv"

	"github.com/zeromicro/go-zero/core/hash"
)

// Ring places keys on nodes: 100 virtual nodes each, hashed by murmur3, the
// same for gateways and session nodes of every make. It is immutable.
type Ring struct{ hash *hash.ConsistentHash }

// NewRing returns the ring of the given addresses.
func NewRing(nodes ...string) Ring {
	r := Ring{hash.NewConsistentHash()}
	for _, n := range nodes {
		r.hash.Add(n)
	}
	return r
}

// Owner returns the node of a key id; none when the ring is empty.
func (r Ring) Owner(key int64) (node string, ok bool) {
	v, ok := r.hash.Get(strconv.FormatInt(key, 10))
	if !ok {
		return "", false
	}
	return v.(string), true
}
