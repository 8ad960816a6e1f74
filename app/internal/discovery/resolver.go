package discovery

import (
	"context"
	"hash/maphash"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc/resolver"
)

const (
	scheme = "etcd"
	// subset is how many nodes of a service one client connects to, at most; as
	// go-zero's.
	subset = 32
)

// Resolver tells gRPC connections the addresses of a service:
//
//	zrpc.RpcClientConf{Target: r.Target()}, grpc.WithResolvers(r)
//
// It follows etcd from its beginning to its Close, and not as its connections
// come and go: one that was idle has its addresses at once, whether or not etcd
// is there. An empty list leaves the addresses as they are: an etcd that lost
// its data must not stop a cluster that works.
type Resolver struct {
	key  string
	sub  *Subscription
	seed maphash.Seed

	mu    sync.Mutex // also orders what each connection is told
	state resolver.State
	conns map[*connResolver]struct{}
}

// NewResolver follows the service that c names; see Subscribe.
func NewResolver(ctx context.Context, c discov.EtcdConf, patience time.Duration) (*Resolver, error) {
	r := &Resolver{key: c.Key, seed: maphash.MakeSeed(), conns: map[*connResolver]struct{}{}}
	sub, err := Subscribe(ctx, c, patience, r.update)
	if err != nil {
		return nil, err
	}
	r.sub = sub
	return r, nil
}

// Target is what to dial.
func (r *Resolver) Target() string { return (&url.URL{Scheme: scheme, Path: "/" + r.key}).String() }

// Close ends the following; connections keep their addresses.
func (r *Resolver) Close() { r.sub.Close() }

// update chooses the same nodes of a long list each time, so that connections
// stay.
func (r *Resolver) update(values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(values) == 0 {
		return
	}
	slices.SortFunc(values, func(a, b string) int {
		if maphash.String(r.seed, a) < maphash.String(r.seed, b) {
			return -1
		}
		return 1
	})
	var addrs []resolver.Address
	for _, v := range values[:min(len(values), subset)] {
		addrs = append(addrs, resolver.Address{Addr: v})
	}
	r.state = resolver.State{Addresses: addrs}
	for c := range r.conns {
		_ = c.conn.UpdateState(r.state) // it asks for another try, which comes with the next list
	}
}

// Scheme implements resolver.Builder.
func (r *Resolver) Scheme() string { return scheme }

// Build implements resolver.Builder. A service without nodes is told, too, for
// calls to fail at once and not at their deadlines.
func (r *Resolver) Build(_ resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &connResolver{of: r, conn: conn}
	r.conns[c] = struct{}{}
	_ = conn.UpdateState(r.state)
	return c, nil
}

// connResolver is what one connection has of a Resolver.
type connResolver struct {
	of   *Resolver
	conn resolver.ClientConn
}

// ResolveNow implements resolver.Resolver: the list is always etcd's last.
func (*connResolver) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (c *connResolver) Close() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.conns, c)
}
