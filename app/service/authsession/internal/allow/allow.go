// Package allow keeps all but the operator's own hosts away from calls that
// answer with keys and have no credentials of their own.
package allow

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// refused are logged once a second: a stranger may try often.
var refused = logx.NewLessLogger(1000)

// List is the networks that may call; empty: everyone may.
type List []netip.Prefix

// Parse reads addresses ("10.0.0.7", "::1") and networks ("10.0.0.0/8").
func Parse(texts []string) (List, error) {
	var list List
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil || address.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a network", text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		list = append(list, network.Masked())
	}
	return list, nil
}

// Has reports whether a peer at address may call.
func (l List) Has(address netip.Addr) bool {
	if len(l) == 0 {
		return true
	}
	address = address.Unmap().WithZone("")
	for _, network := range l {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// Intercept refuses calls of other peers with PERMISSION_DENIED, but for those
// of the health service.
func (l List) Intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if len(l) == 0 || strings.HasPrefix(info.FullMethod, "/grpc.health.v1.Health/") {
		return handler(ctx, in)
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		from, err := netip.ParseAddrPort(p.Addr.String())
		if err == nil && l.Has(from.Addr()) {
			return handler(ctx, in)
		}
		refused.Errorf("call of %s from %s, which AllowPeers does not name", info.FullMethod, p.Addr)
	}
	return nil, status.Error(codes.PermissionDenied, "PEER_NOT_ALLOWED")
}
