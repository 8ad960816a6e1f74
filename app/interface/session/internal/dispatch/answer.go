package dispatch

import (
	"fmt"
	"strings"

	"github.com/zeromicro/go-zero/core/breaker"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
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

const codeStockTimeout codes.Code = 5030000 // of a stock BFF that waited in vain itself

// translate turns the error of a gRPC call into what the client is told. sent is
// how large the request was.
func translate(err error, sent int) (outcome, *sess.RPCError) {
	if err == nil {
		return answered, nil
	}
	s, isStatus := status.FromError(err)
	if !isStatus {
		return faultyOnce, sess.ErrInternal
	}
	switch code := s.Code(); code {
	case 303, 400, 401, 403, 404, 406, 420:
		return answered, &sess.RPCError{Code: int32(code), Message: s.Message()}
	case 500:
		return answered, &sess.RPCError{Code: 500, Message: public(s)}
	case codeNotReturned:
		if s.Message() == notReturned {
			return pushed, nil
		}
		return answered, &sess.RPCError{Code: 400, Message: s.Message()}
	case codes.Unimplemented:
		return noRoute, nil
	case codes.DeadlineExceeded:
		return faulty, sess.ErrTimeout
	case codeStockTimeout:
		return faultyOnce, sess.ErrTimeout
	case codes.ResourceExhausted:
		if e := tooLarge(s.Message(), sent); e != nil {
			return answered, e
		}
		return faulty, &sess.RPCError{Code: 500, Message: public(s)}
	case codes.Unavailable, codes.Internal, codes.DataLoss:
		return faulty, &sess.RPCError{Code: 500, Message: public(s)}
	default:
		return faultyOnce, &sess.RPCError{Code: 500, Message: public(s)}
	}
}

// tooLarge recognises gRPC's refusal of a message for its size: our client's or the
// BFF's of an answer, or the BFF's of a request. It says nothing about the BFF's health.
func tooLarge(text string, sent int) *sess.RPCError {
	if !strings.HasPrefix(text, "grpc: ") || !strings.Contains(text, "larger than max") {
		return nil
	}
	if strings.Contains(text, fmt.Sprintf("(%d vs. ", sent)) {
		return rpcerr.ErrInputTooLong
	}
	return rpcerr.ErrResponseTooLong
}

// public is the text of a fault as clients may see it: what a BFF says in the
// terms of rpc_error (rule RPC-2: capitals, digits, underscores). Other texts are
// those of gRPC, Go and databases, which are for operators.
func public(s *status.Status) string {
	text := s.Message()
	switch {
	case sess.ErrorText(text):
		return text
	case strings.Contains(text, breaker.ErrServiceUnavailable.Error()): // of the BFF's own client
		return errBreakerOpen.Message
	}
	return sess.ErrInternal.Message
}
