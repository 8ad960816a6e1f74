package cluster

import (
	"context"
	"crypto/subtle"
	"net"
	"net/netip"
	"slices"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/proto/session"
)

// Hop is how a request came here, which says how far it may still go.
//
// Nodes hear of a change of the ring one after the other. Two of them that each
// take the other for a key's owner would send its requests to and fro until they
// are too late. So a request is sent on once: the node that does so marks it, and
// the node that gets it serves it, whoever it thinks the owner is. A push is the
// exception. Where it comes to a node without its key it waits there (Parking), and
// may be sent on once more, which is its last hop.
//
// A marked request makes a node serve a key that is another's. So the mark is
// believed from session nodes alone: else whoever reaches the port could have two
// nodes serve one key. Who is a node:
//
//   - with Nodes.Token in the configuration, who shows App and Token, and nobody else;
//   - without, who calls from the address of a node on the ring, or of one that was
//     on it a minute ago. Nodes that call from other addresses than they publish
//     (behind NAT or a proxy, or published by name) need the token.
//
// What a stranger marked is not served for another node and not sent on either:
// the owner's name is the answer. So nodes that do not believe each other send
// nothing to and fro; they lose what comes while they disagree about the ring.
type Hop uint8

const (
	// Redirectable is a request without a mark by a unary gateway: it follows a
	// redirect to the owner.
	Redirectable Hop = iota
	// Direct is a request without a mark by a peer that follows none: HTTP, streams,
	// sync. It is sent on to the owner.
	Direct
	// Stranger is a request that somebody marked who is no node. One for another
	// node's key is refused; a push is for a key in memory.
	Stranger
	// Forwarded is a request that a node sent on. It is served here.
	Forwarded
	// Final is a push that a node kept, or did not have the key of either. It is for
	// a key in memory, and not sent on in any case.
	Final
)

// Unmarked reports whether a request comes straight from a peer.
func (h Hop) Unmarked() bool { return h <= Direct }

// ServedHere reports whether a request is served whoever owns its key.
func (h Hop) ServedHere() bool { return h >= Forwarded }

// MayWait reports whether a push without a key in memory is kept for the node that
// gets the key.
func (h Hop) MayWait() bool { return h.Unmarked() || h == Forwarded }

// The marks, as gRPC metadata.
const (
	forwardedHeader = "x-session-forwarded"
	forwardedMark   = "1"
	finalMark       = "2"
	// introducedHeader marks a createSession by the node that had the key until
	// now: updates go to that session.
	introducedHeader = "x-session-introduced"
	// go-zero's Auth, which Nodes.App and Nodes.Token are named after, has these.
	appHeader   = "app"
	tokenHeader = "token"
)

// SendForwarded marks the requests made with the returned context as Forwarded.
func SendForwarded(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, forwardedMark))
}

// SendFinal marks the requests made with the returned context as Final.
func SendFinal(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, finalMark))
}

// Call makes a request on a node.
type Call func(ctx context.Context, node session.RPCSessionClient) error

// Final is the call with its request marked as Final.
func (f Call) Final() Call {
	return func(ctx context.Context, node session.RPCSessionClient) error { return f(SendFinal(ctx), node) }
}

// Introducing marks a createSession made with the returned context, beside what
// ctx says already.
func Introducing(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, introducedHeader, "1")
}

// WasIntroduced reports whether a session is one that another node had. It means
// something for requests that were Forwarded.
func WasIntroduced(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, introducedHeader)) > 0
}

// Hop tells how a request came. ctx is the gRPC handler's; unmarked is what the
// request is without a mark.
func (c *Cluster) Hop(ctx context.Context, unmarked Hop) Hop {
	marks := metadata.ValueFromIncomingContext(ctx, forwardedHeader)
	switch {
	case len(marks) == 0:
		return unmarked
	case !c.fromNode(ctx):
		return Stranger
	case slices.Contains(marks, finalMark):
		return Final
	}
	return Forwarded
}

// strangers are logged once in ten seconds.
var strangers = logx.NewLessLogger(10_000)

// fromNode reports whether the caller of a handler is a session node.
func (c *Cluster) fromNode(ctx context.Context) bool {
	from := net.Addr(nil)
	if p, ok := peer.FromContext(ctx); ok {
		from = p.Addr
	}
	if c.o.Token != "" {
		if shows(ctx, appHeader, c.o.App) && shows(ctx, tokenHeader, c.o.Token) {
			return true
		}
		metrics.RefusedMarks.Inc()
		strangers.Errorf("%v has sent on a request like a session node, without Nodes.App and Nodes.Token: it is not believed. If it is one, give it the same as this node", from)
		return false
	}
	if tcp, ok := from.(*net.TCPAddr); ok && c.hosts.has(tcp.AddrPort().Addr()) {
		return true
	}
	metrics.RefusedMarks.Inc()
	strangers.Errorf("%v has sent on a request like a session node, and etcd lists none at that address: it is not believed. If it is one, set Nodes.App and Nodes.Token, alike on all nodes", from)
	return false
}

// shows reports whether a request carries a value.
func shows(ctx context.Context, header, want string) bool {
	values := metadata.ValueFromIncomingContext(ctx, header)
	return len(values) == 1 && subtle.ConstantTimeCompare([]byte(values[0]), []byte(want)) == 1
}

// hostOf is the address that a node calls from, if it calls from the one that it
// publishes; false for a name.
func hostOf(node string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(node)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil
}
