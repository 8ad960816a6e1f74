package bff

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tgerr"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/app/lab/pause"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/tl"
)

// metadataHeader tells who calls (proto/PEERS.md, "rpc_metadata").
const metadataHeader = "rpc_metadata"

var (
	// errNotServed is what a gRPC server says of a method it lacks.
	errNotServed  = grpcstatus.Error(codes.Unimplemented, "unknown method")
	errInput      = tgerr.New(400, "INPUT_REQUEST_INVALID")
	errInternal   = tgerr.New(500, "INTERNAL_SERVER_ERROR")
	errNoStickers = tgerr.New(400, "STICKERSET_INVALID")
	errLogin      = tgerr.New(401, "AUTH_KEY_UNREGISTERED")
)

// handle serves one call of any method: gRPC knows none of them.
func (s *Server) handle(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	var request passthrough.Frame
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	reply, err := s.call(stream.Context(), path, request)
	if err != nil {
		return s.toStatus(path, err)
	}
	return stream.SendMsg(&reply)
}

// call turns the request into TL, lets a handler answer it and turns the
// answer back.
func (s *Server) call(ctx context.Context, path string, pb []byte) (passthrough.Frame, error) {
	method, query, err := s.decode(path, pb)
	if err != nil {
		return nil, err
	}
	if ctx, err = withCaller(ctx); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, method.Name); err != nil {
		return nil, err
	}
	if s.cfg.Delay != nil {
		if err := pause.For(ctx, s.cfg.Delay(method.Name)); err != nil {
			return nil, err
		}
	}
	if s.cfg.Fail != nil {
		if err := s.cfg.Fail(method.Name); err != nil {
			return nil, err
		}
	}
	answer, err := s.answer(ctx, method, pb, query)
	if err != nil {
		return nil, err // the handlers' errors are the protocol
	}
	reply, _, err := s.schema.Decode(nil, method.Reply, answer)
	if err != nil {
		return nil, fmt.Errorf("result of %s: %w", method.Name, err)
	}
	return reply, nil
}

// answer is the result of a query, as TL. Handlers get it in the version that
// they know, where the client's is another one.
func (s *Server) answer(ctx context.Context, method *tl.Method, pb, query []byte) ([]byte, error) {
	if empty := s.empties.answer(method); empty != nil {
		if needsLogin(method.Name) {
			if _, err := s.self(ctx); err != nil {
				return nil, err
			}
		}
		return empty, nil
	}
	if u := s.upgrades[method.ID]; u != nil {
		var err error
		if query, err = s.schema.Encode(nil, u.to.Request, u.request(pb), s.schema.MaxLayer()); err != nil {
			return nil, errInput
		}
	}
	result, err := s.methods.Handle(ctx, &bin.Buffer{Buf: query})
	if err != nil {
		if errors.Is(err, errNotServed) {
			s.cfg.Logger.Info("bff: method not served", zap.String("method", method.Name), zap.Uint32("id", method.ID))
		}
		return nil, err
	}
	var b bin.Buffer
	if err := result.Encode(&b); err != nil {
		return nil, fmt.Errorf("encode the result of %s: %w", method.Name, err)
	}
	return b.Buf, nil
}

// decode finds the method that path and request name, and the request as TL.
// The last part of a path is the name of the request message.
func (s *Server) decode(path string, pb []byte) (*tl.Method, []byte, error) {
	message := s.schema.Message("TL_" + path[strings.LastIndexByte(path, '/')+1:])
	if message == nil {
		return nil, nil, errNotServed
	}
	query, err := s.schema.Encode(nil, message, pb, s.schema.MaxLayer())
	switch {
	case err != nil:
		return nil, nil, errInput
	case len(query) < bin.Word: // the message is no request
		return nil, nil, errNotServed
	}
	method := s.schema.Method(binary.LittleEndian.Uint32(query))
	if method == nil || method.Path != path {
		return nil, nil, errNotServed
	}
	return method, query, nil
}

// toStatus makes the gRPC status that session turns into an rpc_error.
func (s *Server) toStatus(path string, err error) error {
	var rpc *tgerr.Error
	if errors.As(err, &rpc) {
		return grpcstatus.Error(codes.Code(rpc.Code), rpc.Message)
	}
	if _, ok := grpcstatus.FromError(err); ok {
		return err
	}
	if ctxErr := grpcstatus.FromContextError(err); ctxErr.Code() != codes.Unknown {
		return ctxErr.Err()
	}
	s.cfg.Logger.Error("bff: call failed", zap.String("method", path), zap.Error(err))
	return grpcstatus.Error(codes.Code(errInternal.Code), errInternal.Message)
}

type callerKey struct{}

// withCaller reads who calls from the header. A call without one comes from
// nobody: it can do what needs no login.
func withCaller(ctx context.Context) (context.Context, error) {
	caller := new(metadata.RpcMetadata)
	if header := grpcmetadata.ValueFromIncomingContext(ctx, metadataHeader); len(header) > 0 {
		raw, err := base64.StdEncoding.DecodeString(header[0])
		if err != nil || proto.Unmarshal(raw, caller) != nil {
			return nil, errInput
		}
	}
	return context.WithValue(ctx, callerKey{}, caller), nil
}

// caller is who calls.
func caller(ctx context.Context) *metadata.RpcMetadata {
	return ctx.Value(callerKey{}).(*metadata.RpcMetadata) // withCaller put it there
}

// self is the account that calls, or 401.
func (s *Server) self(ctx context.Context) (*account, error) {
	a := s.store.account(caller(ctx).GetUserId())
	if a == nil {
		return nil, errLogin
	}
	return a, nil
}
