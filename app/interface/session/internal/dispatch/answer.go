package dispatch

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// What BFFs answer instead of a result (PEERS.md, "Errors"): the promise of one
// that is pushed later. The same code with another text promises nothing.
const (
	codeNotReturned codes.Code = 700
	notReturned                = "NOTRETURN_CLIENT"
)

// outcome of a call that ended with err.
type outcome int

const (
	answered   outcome = iota // by the BFF, well or with an rpc_error
	pushed                    // the answer comes by session_pushRpcResultData
	noRoute                   // the BFF does not serve the method
	faulty                    // the BFF is ill: what breakers count
	faultyOnce                // a fault that says nothing about the next call
)

const internalServerError = "INTERNAL_SERVER_ERROR"

// translate turns the error of a gRPC call into what the client is told.
func translate(err error) (outcome, *sess.RPCError) {
	if err == nil {
		return answered, nil
	}
	s, isStatus := status.FromError(err)
	if !isStatus {
		return faultyOnce, &sess.RPCError{Code: 500, Message: internalServerError}
	}
	switch code := s.Code(); code {
	case 303, 400, 401, 403, 404, 406, 420, 500:
		return answered, &sess.RPCError{Code: int32(code), Message: s.Message()}
	case codeNotReturned:
		if s.Message() == notReturned {
			return pushed, nil
		}
		return answered, &sess.RPCError{Code: 400, Message: s.Message()}
	case codes.Unimplemented:
		return noRoute, nil
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.DataLoss:
		return faulty, &sess.RPCError{Code: 500, Message: public(s)}
	default:
		return faultyOnce, &sess.RPCError{Code: 500, Message: public(s)}
	}
}

// public is the text of a fault as clients may see it: what a BFF says about
// itself, but neither a Go panic nor addresses inside the cluster.
func public(s *status.Status) string {
	text := s.Message()
	switch {
	case text == "":
		return internalServerError
	case s.Code() == codes.Internal && strings.HasPrefix(text, "panic:"):
		return internalServerError
	case s.Code() == codes.Unavailable && (strings.Contains(text, "connection") || strings.Contains(text, "transport:") || strings.Contains(text, "resolver")):
		return internalServerError
	}
	return text
}
