package admin

import (
	"context"
	"errors"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// Events is events.Book.
type Events interface {
	State(ctx context.Context) (events.State, error)
	Read(ctx context.Context, token, kind string, userID int64, limit int) (list []events.Published, next string, err error)
	Hooks(ctx context.Context) ([]events.HookState, error)
	Knows(webhook string) bool
	DeadLetters(ctx context.Context, webhook string, userID, before int64, limit int) ([]events.DeadLetter, error)
	Retry(ctx context.Context, r events.Retried, dryRun bool) (n int, more bool, err error)
}

const (
	maxRetried = 1000
	maxType    = 32 // bytes of an event's type
)

func (s *impl) ListEvents(ctx context.Context, in *pb.ListEventsRequest) (*pb.ListEventsReply, error) {
	size, err := pageSize(in.GetPageSize())
	switch {
	case err != nil:
		return nil, err
	case in.GetUserId() < 0:
		return nil, invalid("user_id", "must not be negative")
	case len(in.GetType()) > maxType:
		return nil, invalid("type", "has more than %d bytes", maxType)
	case len(in.GetAfter()) > maxPageToken:
		return nil, invalid("after", "this list did not give it out")
	}
	list, next, err := s.events.Read(ctx, in.GetAfter(), in.GetType(), in.GetUserId(), size)
	if errors.Is(err, events.ErrBadToken) {
		return nil, invalid("after", "this list did not give it out")
	}
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.ListEventsReply{Next: next}
	for _, e := range list {
		out.Events = append(out.Events, &pb.SessionEvent{Id: e.ID, Type: e.Type, At: timestamppb.New(e.At), Body: e.Body})
	}
	return out, nil
}

func (s *impl) ListWebhooks(ctx context.Context, _ *pb.ListWebhooksRequest) (*pb.ListWebhooksReply, error) {
	list, err := s.events.Hooks(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	return &pb.ListWebhooksReply{Webhooks: webhooks(list)}, nil
}

func (s *impl) ListDeadLetters(ctx context.Context, in *pb.ListDeadLettersRequest) (*pb.ListDeadLettersReply, error) {
	size, err := pageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	before, err := rowOf(in.GetPageToken())
	switch {
	case err != nil:
		return nil, err
	case in.GetUserId() < 0:
		return nil, invalid("user_id", "must not be negative")
	case !s.events.Knows(in.GetWebhook()):
		return nil, noWebhook(in.GetWebhook())
	case before == 0:
		before = math.MaxInt64
	}
	list, err := s.events.DeadLetters(ctx, in.GetWebhook(), in.GetUserId(), before, size+1)
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.ListDeadLettersReply{}
	if len(list) > size {
		list = list[:size]
		out.NextPageToken = rowToken(list[size-1].ID)
	}
	for _, d := range list {
		out.DeadLetters = append(out.DeadLetters, &pb.DeadLetter{Id: d.ID, Webhook: d.Webhook, EventId: d.EventID, Type: d.Type, UserId: d.UserID,
			Attempts: int32(d.Attempts), Error: d.Error, DiedAt: timestamppb.New(d.DiedAt), Retrying: d.Retrying, Body: d.Body})
	}
	return out, nil
}

func (s *impl) RetryDeadLetters(ctx context.Context, in *pb.RetryDeadLettersRequest) (*pb.RetryDeadLettersReply, error) {
	if err := validChange(in); err != nil {
		return nil, err
	}
	switch {
	case (len(in.GetIds()) > 0) == in.GetAll():
		return nil, invalid("ids", "name dead letters, or all")
	case len(in.GetIds()) > maxRetried:
		return nil, invalid("ids", "are more than %d", maxRetried)
	case in.GetUserId() < 0 || in.GetUserId() != 0 && !in.GetAll():
		return nil, invalid("user_id", "must be above 0, and goes with all")
	case !s.events.Knows(in.GetWebhook()):
		return nil, noWebhook(in.GetWebhook())
	}
	n, more, err := s.events.Retry(ctx, events.Retried{Webhook: in.GetWebhook(), IDs: in.GetIds(), UserID: in.GetUserId()}, in.GetDryRun())
	return &pb.RetryDeadLettersReply{Count: int32(n), More: more}, fault(ctx, err)
}

func noWebhook(name string) error {
	return rpcerr.NoSuchWebhook.With(printed(name))
}
