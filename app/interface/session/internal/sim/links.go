package sim

import "github.com/tgsession/tgsession/app/interface/session/internal/sess"

// nodeLink is a node's way to one gateway while a cluster is under siege: it has a
// bounded queue, of which no key may take more than a share, and carries so many bytes a
// second. In all other runs packets just arrive, fail or are lost.
type nodeLink struct {
	bytes  int
	owners map[int64]int // bytes, by key
	free   int64         // when all that is queued has left
}

const (
	linkBytes = 128 << 10 // that wait in a queue
	linkShare = 8         // which part of it one key may take
	linkSpeed = 24 << 10  // bytes a second
	linkRetry = 5e9       // ns that packets wait for a gateway that is not reached
)

// Links says how nodes' links to gateways differ from what they are to be.
type Links struct {
	NoShares bool // one key may fill a queue
	NoRetry  bool // a gateway that is not reached has lost what is for it
}

func (g *gateway) linkOf(n *node) *nodeLink {
	l := g.nodes[n.addr]
	if l == nil {
		l = &nodeLink{owners: map[int64]int{}}
		g.nodes[n.addr] = l
	}
	return l
}

// queued carries a packet through a node's link, and then does what is due. False: there
// is no room for it.
func (g *gateway) queued(n *node, owner int64, s sess.Send, then func()) bool {
	l, size := g.linkOf(n), s.Len()
	full := l.bytes > 0 && l.bytes+size > linkBytes
	greedy := l.owners[owner] > 0 && l.owners[owner]+size > linkBytes/linkShare && !g.c.links.NoShares
	gone := g.c.links.NoRetry && g.c.now < g.gone
	if full || greedy || gone {
		return false
	}
	l.bytes += size
	l.owners[owner] += size
	l.free = max(l.free, g.c.now, g.gone) + int64(size)*1e9/linkSpeed
	g.c.at(l.free, func() {
		l.bytes -= size
		if l.owners[owner] -= size; l.owners[owner] == 0 {
			delete(l.owners, owner)
		}
		then()
	})
	return true
}
