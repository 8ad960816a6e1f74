package integration

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/tl"
)

// bffServer is the BFF of a cluster. Tests that share a cluster have a role
// each: it gets the calls of the keys that the test made.
type bffServer struct {
	schema *tl.Schema

	mu    sync.Mutex
	roles map[int64]*bffRole // by transport key
}

func (s *stores) playBFF(t testing.TB) *bffServer {
	t.Helper()
	schema, err := tl.Load("0.223.1")
	require.NoError(t, err)
	b := &bffServer{schema: schema, roles: map[int64]*bffRole{}}
	s.serve(t, "bff.bff", func(*grpc.Server) {}, grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(b.handle))
	return b
}

// bffCall is one call as a BFF sees it.
type bffCall struct {
	Path string
	Meta *metadata.RpcMetadata
	PB   []byte
}

func (b *bffServer) handle(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	var req passthrough.Frame
	if err := stream.RecvMsg(&req); err != nil {
		return err
	}
	call := bffCall{Path: path, Meta: &metadata.RpcMetadata{}, PB: req}
	md, _ := grpcmetadata.FromIncomingContext(stream.Context())
	if v := md.Get("rpc_metadata"); len(v) == 1 {
		raw, err := base64.StdEncoding.DecodeString(v[0])
		if err != nil {
			return status.Error(codes.InvalidArgument, "rpc_metadata is not base64")
		}
		if err := proto.Unmarshal(raw, call.Meta); err != nil {
			return err
		}
	}
	b.mu.Lock()
	role := b.roles[call.Meta.AuthId]
	b.mu.Unlock()
	if role == nil {
		return status.Error(codes.Unauthenticated, "a call of a key that no test made")
	}
	out, err := role.serve(stream.Context(), call)
	if err != nil {
		return err
	}
	return stream.SendMsg(passthrough.Frame(out))
}

// bffRole is a BFF whose methods are functions of a test.
type bffRole struct {
	server *bffServer
	schema *tl.Schema

	mu      sync.Mutex
	calls   []bffCall
	methods map[string]bffMethod
}

type bffMethod = func(context.Context, bffCall) ([]byte, error)

func (b *bffServer) role() *bffRole {
	return &bffRole{server: b, schema: b.schema, methods: map[string]bffMethod{}}
}

// own makes the calls of a transport key the role's.
func (b *bffRole) own(authKeyID int64) {
	b.server.mu.Lock()
	defer b.server.mu.Unlock()
	b.server.roles[authKeyID] = b
}

func (b *bffRole) serve(ctx context.Context, call bffCall) ([]byte, error) {
	b.mu.Lock()
	b.calls = append(b.calls, call)
	method := b.methods[call.Path]
	b.mu.Unlock()
	if method == nil {
		return nil, status.Error(codes.Unimplemented, "unknown method "+call.Path)
	}
	return method(ctx, call)
}

// on sets what a method answers.
func (b *bffRole) on(path string, f bffMethod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.methods[path] = f
}

// all lists the calls so far.
func (b *bffRole) all() []bffCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

// seen lists the calls of a method so far.
func (b *bffRole) seen(path string) []bffCall {
	var out []bffCall
	for _, c := range b.all() {
		if c.Path == path {
			out = append(out, c)
		}
	}
	return out
}

// encodeResult turns a TL answer into what a BFF replies.
func (b *bffRole) encodeResult(t testing.TB, path string, e bin.Encoder) []byte {
	t.Helper()
	_, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	methods := b.schema.MethodByName(strings.Replace(name, "_", ".", 1))
	require.NotEmpty(t, methods, path)
	out, _, err := b.schema.Decode(nil, methods[0].Reply, encode(t, e))
	require.NoError(t, err)
	return out
}
