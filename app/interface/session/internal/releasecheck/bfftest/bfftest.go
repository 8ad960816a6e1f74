// Package bfftest has a BFF for tests, with the gRPC methods of a shipped release.
package bfftest

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/tl"
)

// GetConfig is the only method that is there to be run.
const GetConfig = "/mtproto.RPCConfiguration/help_getConfig"

// Every serves all groups of a release.
func Every(string) bool { return true }

// Start starts a BFF that was built from the .proto files of a release, and returns its
// address. It serves the groups that served names, as "mtproto.RPCUsers", and answers
// help.getConfig with config. As generated code does, a method decodes its request
// before anything else; the test fails if another one than GetConfig gets further.
func Start(t testing.TB, release string, served func(group string) bool, config []byte) string {
	t.Helper()
	set, err := tl.ReadSet(release)
	require.NoError(t, err)
	services := map[string]*grpc.ServiceDesc{}
	seen := map[string]bool{"": true}
	for i := range set.Methods {
		path := set.Methods[i].Path
		if seen[path] {
			continue
		}
		seen[path] = true
		group, method, _ := strings.Cut(path[1:], "/")
		if !served(group) {
			continue
		}
		if services[group] == nil {
			services[group] = &grpc.ServiceDesc{ServiceName: group, HandlerType: (*any)(nil)}
		}
		handle := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			if err := decode(new(emptypb.Empty)); err != nil {
				return nil, err
			}
			if path != GetConfig {
				t.Errorf("%s was run", path)
			}
			return passthrough.Frame(config), nil
		}
		services[group].Methods = append(services[group].Methods, grpc.MethodDesc{MethodName: method, Handler: handle})
	}
	g := grpc.NewServer(grpc.ForceServerCodecV2(passthrough.Codec))
	for _, s := range services {
		g.RegisterService(s, nil)
	}
	return Serve(t, g)
}

// Serve serves g until the test ends, and returns its address.
func Serve(t testing.TB, g *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}
