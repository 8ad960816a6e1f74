// Package allow keeps all but the operator's own hosts away from services that
// ask for no credentials: who may call them gets keys, or acts for any user.
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

	"github.com/tgsession/tgsession/app/internal/conf"
)

// NotAllowed is the text of the status, PERMISSION_DENIED, that a refused caller gets.
const NotAllowed = "PEER_NOT_ALLOWED"

// refused are logged once a second: a stranger may try often.
var refused = logx.NewLessLogger(1000)

// List is the networks that may call; empty: everyone may.
type List []netip.Prefix

// Parse reads the key AllowPeers of a configuration: addresses ("10.0.0.7", "::1")
// and networks ("10.0.0.0/8"). An error is a *conf.KeyError.
func Parse(texts []string) (List, error) {
	var list List
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil || address.Zone() != "" {
				return nil, &conf.KeyError{
					Key: "AllowPeers", Problem: "holds something else than hosts",
					Fix: fmt.Sprintf("%q is neither an address nor a network; name them like 10.0.0.7 or 10.0.0.0/8", text),
				}
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
	if err := l.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, in)
}

// InterceptStream is Intercept for streams.
func (l List) InterceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := l.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(srv, stream)
}

// check refuses the caller of a method when it may not call it.
func (l List) check(ctx context.Context, method string) error {
	if len(l) == 0 || strings.HasPrefix(method, "/grpc.health.v1.Health/") {
		return nil
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		from, err := netip.ParseAddrPort(p.Addr.String())
		if err == nil && l.Has(from.Addr()) {
			return nil
		}
		refused.Errorf("call of %s from %s, which AllowPeers does not name", method, p.Addr)
	}
	return status.Error(codes.PermissionDenied, NotAllowed)
}
