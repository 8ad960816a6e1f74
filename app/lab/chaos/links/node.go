package links

import (
	"fmt"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// Node is the network as one node sees it. Its methods are for one goroutine;
// what it reads of its peers does not change after AddEtcd.
type Node struct {
	via     map[string]*tcpproxy.Proxy   // by the peer's own address
	kinds   map[string][]*tcpproxy.Proxy // by what the peers are
	views   []*view
	members map[string]*tcpproxy.Proxy // of etcd
}

// NewNode is a node without peers. It is to be closed.
func NewNode() *Node {
	return &Node{via: map[string]*tcpproxy.Proxy{}, kinds: map[string][]*tcpproxy.Proxy{}, members: map[string]*tcpproxy.Proxy{}}
}

// Add adds peers of a kind by their addresses.
func (n *Node) Add(kind string, addrs ...string) error {
	for _, addr := range addrs {
		p, err := tcpproxy.New(addr)
		if err != nil {
			return err
		}
		n.via[addr] = p
		n.kinds[kind] = append(n.kinds[kind], p)
	}
	return nil
}

// AddEtcd adds the members of etcd, of that kind, behind which the peers that
// were added before are found by their proxies.
func (n *Node) AddEtcd(kind string, members ...string) error {
	for _, addr := range members {
		v, err := newView(addr, n.swap)
		if err != nil {
			return err
		}
		n.views = append(n.views, v)
		p, err := tcpproxy.New(v.addr())
		if err != nil {
			return err
		}
		n.via[addr], n.members[addr] = p, p
		n.kinds[kind] = append(n.kinds[kind], p)
	}
	for _, v := range n.views {
		v.serve()
	}
	return nil
}

// Via is where the node reaches a peer; a peer that was not added is reached at
// its own address.
func (n *Node) Via(addr string) string {
	if p := n.via[addr]; p != nil {
		return p.Addr()
	}
	return addr
}

// All is Via of several.
func (n *Node) All(addrs []string) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = n.Via(a)
	}
	return out
}

// swap replaces an address, or that of a URL.
func (n *Node) swap(text string) string {
	const scheme = "http://"
	if addr, ok := strings.CutPrefix(text, scheme); ok {
		return scheme + n.Via(addr)
	}
	return n.Via(text)
}

// Hole lets connections to peers of a kind stand and nothing pass until heal is
// called.
func (n *Node) Hole(kind string) (heal func() error) {
	for _, p := range n.kinds[kind] {
		p.Hold()
	}
	return func() error {
		for _, p := range n.kinds[kind] {
			p.Restore()
		}
		return nil
	}
}

// Cut breaks connections to peers of a kind, and new ones are refused, until
// heal is called.
func (n *Node) Cut(kind string) (heal func() error) { return cut(n.kinds[kind]...) }

func cut(proxies ...*tcpproxy.Proxy) (heal func() error) {
	var restore []func() error
	for _, p := range proxies {
		restore = append(restore, p.Refuse())
	}
	return func() error {
		for _, r := range restore {
			if err := r(); err != nil {
				return fmt.Errorf("links: %w", err)
			}
		}
		return nil
	}
}

// Slow holds up what passes to and from peers of a kind until heal is called.
func (n *Node) Slow(kind string, delay time.Duration) (heal func() error) {
	for _, p := range n.kinds[kind] {
		p.Delay(delay)
	}
	return func() error {
		for _, p := range n.kinds[kind] {
			p.Delay(0)
		}
		return nil
	}
}

// MemberGone makes a member of etcd unreachable, as one that has ended is,
// until heal is called: a view answers for it otherwise.
func (n *Node) MemberGone(addr string) (heal func() error) {
	if p := n.members[addr]; p != nil {
		return cut(p)
	}
	return func() error { return nil }
}

// MemberStill is MemberGone of a member that stands still.
func (n *Node) MemberStill(addr string) (heal func() error) {
	if p := n.members[addr]; p != nil {
		p.Hold()
		return func() error { p.Restore(); return nil }
	}
	return func() error { return nil }
}

// Close breaks everything.
func (n *Node) Close() {
	for _, p := range n.via {
		p.Close()
	}
	for _, v := range n.views {
		v.close()
	}
}
