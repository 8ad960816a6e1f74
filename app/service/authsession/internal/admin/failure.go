package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// refusal is an answer to a call that was not served.
type refusal struct {
	answer *rpcerr.Error
	// of one that came too often:
	wait   time.Duration // until the next call is served
	silent int           // refusals of the caller that were not written down before this one
	quiet  bool          // this one is not written down, either
}

func (r *refusal) Error() string { return r.answer.Message }

// GRPCStatus is what gRPC answers; to a call that came too often, also when the
// next one is served.
func (r *refusal) GRPCStatus() *status.Status {
	s := r.answer.GRPCStatus()
	if r.wait > 0 {
		return detailed(s, &errdetails.RetryInfo{RetryDelay: durationpb.New(r.wait)})
	}
	return s
}

func detailed(s *status.Status, detail protoadapt.MessageV1) *status.Status {
	if with, err := s.WithDetails(detail); err == nil {
		return with
	}
	return s
}

// maxNamed bounds the details of an error: trailers are headers, which some
// clients take 8 KiB of.
const maxNamed = 200

// partial tells in the details of a gRPC error what was ended before it.
func partial(err error, ended []*pb.EndedSession) error {
	if len(ended) == 0 {
		return err
	}
	return detailed(status.Convert(err), &pb.Partial{Count: int64(len(ended)), Ended: ended[:min(len(ended), maxNamed)]}).Err()
}

// invalid says what is wrong with a field of a request.
func invalid(field, format string, args ...any) error {
	return rpcerr.ErrFieldInvalid.With(field, fmt.Sprintf(format, args...))
}

// fault turns an error of the manager into the answer; what is our own trouble
// stays in the log.
func fault(ctx context.Context, err error) error {
	var refused *mysql.MySQLError
	var many *sessions.TooManyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &many):
		return rpcerr.ErrTooManySessions.With(many.Count, many.AtMost)
	case errors.Is(err, sessions.ErrNotFound):
		return rpcerr.ErrNoSuchSession
	case errors.Is(err, audit.ErrNotFound):
		return rpcerr.ErrNoSuchRow
	case errors.Is(err, sessions.ErrBadToken):
		return invalid("page_token", "this list did not give it out")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return rpcerr.ErrTookTooLong
	case ctx.Err() != nil:
		return rpcerr.ErrCallerGone
	}
	logx.WithContext(ctx).Errorf("admin API: %v", err)
	if errors.Is(err, sessions.ErrUnknown) {
		return rpcerr.ErrOutcomeUnknown.With(sessions.ErrUnknown)
	}
	if errors.As(err, &refused) { // a database that answers would answer the same again
		return rpcerr.ErrFaultHere
	}
	return rpcerr.ErrStoreUnavailable
}
