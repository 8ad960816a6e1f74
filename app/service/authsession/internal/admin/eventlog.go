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
	Configured(webhook string) bool
	Knows(ctx context.Context, webhook string) (known bool, err error)
	DeadLetters(ctx context.Context, webhook string, userID, before int64, limit int) ([]events.DeadLetter, error)
	Retry(ctx context.Context, c events.Chosen, dryRun bool) (n int, more bool, err error)
	Purge(ctx context.Context, c events.Chosen, dryRun bool) (n int, more bool, err error)
}

const (
	maxChosen = 1000 // dead letters of a call
	maxType   = 32   // bytes of an event's type
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
	case before == 0:
		before = math.MaxInt64
	}
	if err := s.knownWebhook(ctx, in.GetWebhook()); err != nil {
		return nil, err
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
		out.DeadLetters = append(out.DeadLetters, &pb.DeadLetter{
			Id: d.ID, Webhook: d.Webhook, EventId: d.EventID, Type: d.Type, UserId: d.UserID,
			Attempts: int32(d.Attempts), Error: d.Error, DiedAt: timestamppb.New(d.DiedAt), Retrying: d.Retrying, Body: d.Body,
		})
	}
	return out, nil
}

// dead is what RetryDeadLetters and PurgeDeadLetters are asked.
type dead interface {
	GetWebhook() string
	GetIds() []int64
	GetAll() bool
	GetUserId() int64
	GetReason() string
	GetTicket() string
}

// chosen checks which dead letters a change is about.
func chosen(in dead) (events.Chosen, error) {
	c := events.Chosen{Webhook: in.GetWebhook(), IDs: in.GetIds(), UserID: in.GetUserId()}
	if err := validChange(in); err != nil {
		return c, err
	}
	switch {
	case (len(c.IDs) > 0) == in.GetAll():
		return c, invalid("ids", "name dead letters, or all")
	case len(c.IDs) > maxChosen:
		return c, invalid("ids", "are more than %d", maxChosen)
	case c.UserID < 0 || c.UserID != 0 && !in.GetAll():
		return c, invalid("user_id", "must be above 0, and goes with all")
	}
	return c, nil
}

func (s *impl) RetryDeadLetters(ctx context.Context, in *pb.RetryDeadLettersRequest) (*pb.RetryDeadLettersReply, error) {
	c, err := chosen(in)
	if err != nil {
		return nil, err
	}
	if !s.events.Configured(c.Webhook) { // nobody would deliver them
		return nil, noWebhook(c.Webhook)
	}
	n, more, err := s.events.Retry(ctx, c, in.GetDryRun())
	return &pb.RetryDeadLettersReply{Count: int32(n), More: more}, fault(ctx, err)
}

func (s *impl) PurgeDeadLetters(ctx context.Context, in *pb.PurgeDeadLettersRequest) (*pb.PurgeDeadLettersReply, error) {
	c, err := chosen(in)
	if err != nil {
		return nil, err
	}
	if err := s.knownWebhook(ctx, c.Webhook); err != nil {
		return nil, err
	}
	n, more, err := s.events.Purge(ctx, c, in.GetDryRun())
	return &pb.PurgeDeadLettersReply{Count: int32(n), More: more}, fault(ctx, err)
}

func (s *impl) knownWebhook(ctx context.Context, name string) error {
	known, err := s.events.Knows(ctx, name)
	if err == nil && !known {
		return noWebhook(name)
	}
	return fault(ctx, err)
}

func noWebhook(name string) error {
	return rpcerr.ErrNoSuchWebhook.With(printed(name))
}
