package server

import (
	"context"
	"errors"
	"strings"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
)

// The statuses that peers get.
var (
	errFull         = rpcerr.ErrChannelFull.Status()
	errOverloaded   = rpcerr.ErrOverloaded.Status() // by go-zero's load shedding
	errInput        = rpcerr.ErrInputInvalid.Status()
	errUnregistered = rpcerr.ErrUnregistered.Status()
	errInternal     = rpcerr.ErrInternal.Status()
)

func errRedirect(owner string) error {
	return status.Error(rpcerr.CodeRedirect, rpcerr.RedirectPrefix+owner)
}

// movedTo returns the node that has a key by now, where the error says so. Most often there
// is no error, and none is looked into then: errors.As needs memory for that.
func movedTo(err error) (node string, moved bool) {
	if err == nil {
		return "", false
	}
	e := new(runloop.MovedError)
	if !errors.As(err, &e) {
		return "", false
	}
	return e.To, true
}

// asStatus turns an error of the node's parts into what a peer gets.
func asStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, runloop.ErrDataChannelFull), errors.Is(err, keys.ErrBusy):
		return errFull
	case errors.Is(err, keys.ErrUnregistered):
		return errUnregistered
	}
	return errInternal
}

// passOn is the status of another service as ours: its refusals stay what
// they are, without details; its faults are ours.
func passOn(err error) error {
	if err == nil || errors.Is(err, runloop.ErrDataChannelFull) {
		return asStatus(err)
	}
	switch s := status.Convert(err); s.Code() {
	case 400, 401, 403, 404, 406, 420, 500, rpcerr.CodeRedirect:
		return status.Error(s.Code(), s.Message())
	default:
		return errInternal
	}
}

// Harmless is the outermost interceptor: what go-zero's own interceptors
// answer (load shedding, recovered panics) reaches peers as a status that
// does not make them drop the node.
func Harmless(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, err := handler(ctx, req)
	if err == nil || !strings.HasPrefix(info.FullMethod, "/session.") {
		return resp, err
	}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return nil, errOverloaded
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss, codes.Canceled:
		logx.Errorf("%s: %v", info.FullMethod, err)
		return nil, errInternal
	}
	return resp, err
}
