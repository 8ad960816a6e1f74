package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// answer is how a gRPC code is called in REST and in the audit log.
type answer struct {
	name string
	http int
}

var answers = map[codes.Code]answer{
	codes.OK:                 {"OK", http.StatusOK},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest},
	codes.Unauthenticated:    {"UNAUTHENTICATED", http.StatusUnauthorized},
	codes.PermissionDenied:   {"PERMISSION_DENIED", http.StatusForbidden},
	codes.NotFound:           {"NOT_FOUND", http.StatusNotFound},
	codes.Unimplemented:      {"METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed},
	codes.Aborted:            {"ABORTED", http.StatusConflict},
	codes.AlreadyExists:      {"ALREADY_EXISTS", http.StatusUnprocessableEntity},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", http.StatusPreconditionFailed},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	codes.Canceled:           {"CANCELLED", 499},
	codes.Internal:           {"INTERNAL", http.StatusInternalServerError},
	codes.Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
}

func answerOf(err error) answer {
	if a, ok := answers[status.Code(err)]; ok {
		return a
	}
	return answers[codes.Internal]
}

// refusal is an answer to a call that was not served.
type refusal struct {
	code    codes.Code
	reason  string // a word for the metric and the audit log
	message string // for the caller
	// of one that came too often:
	wait   time.Duration // until the next call is served
	silent int           // refusals of the caller that were not written down before this one
	quiet  bool          // this one is not written down, either
}

func (r *refusal) Error() string { return r.message }

// GRPCStatus is what gRPC answers; to a call that came too often, also when the
// next one is served.
func (r *refusal) GRPCStatus() *status.Status {
	s := status.New(r.code, r.message)
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
	return status.Errorf(codes.InvalidArgument, "%s: %s", field, fmt.Sprintf(format, args...))
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
		return status.Errorf(codes.FailedPrecondition, "%d sessions would end, more than at_most, which is %d; none was ended", many.Count, many.AtMost)
	case errors.Is(err, sessions.ErrNotFound):
		return status.Error(codes.NotFound, "there is no such session")
	case errors.Is(err, audit.ErrNotFound):
		return status.Error(codes.NotFound, "there is no such row")
	case errors.Is(err, sessions.ErrBadToken):
		return invalid("page_token", "this list did not give it out")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "it took longer than Admin.Timeout")
	case ctx.Err() != nil:
		return status.Error(codes.Canceled, "the caller went away")
	}
	logx.WithContext(ctx).Errorf("admin API: %v", err)
	if errors.Is(err, sessions.ErrUnknown) {
		return status.Error(codes.Unavailable, sessions.ErrUnknown.Error())
	}
	if errors.As(err, &refused) { // a database that answers would answer the same again
		return status.Error(codes.Internal, "something is wrong here; the log says what")
	}
	return status.Error(codes.Unavailable, "the store cannot be used now; the log says why")
}
