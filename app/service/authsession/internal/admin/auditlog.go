package admin

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// auditReader is audit.Log, as it is read.
type auditReader interface {
	Page(ctx context.Context, f audit.Filter, before int64, limit int) (list []audit.Row, next int64, err error)
	Get(ctx context.Context, id int64) (audit.Row, error)
}

const maxWord = 128 // bytes of a caller, a method, a code

func (s *impl) ListAudit(ctx context.Context, in *pb.ListAuditRequest) (*pb.ListAuditReply, error) {
	f, err := auditFilter(in)
	if err != nil {
		return nil, err
	}
	size, err := pageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	before, err := rowOf(in.GetPageToken())
	if err != nil {
		return nil, err
	}
	list, next, err := s.audit.Page(ctx, f, before, size)
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.ListAuditReply{NextPageToken: rowToken(next)}
	for i := range list {
		out.Entries = append(out.Entries, auditEntry(&list[i]))
	}
	return out, nil
}

func auditFilter(in *pb.ListAuditRequest) (audit.Filter, error) {
	f := audit.Filter{UserID: in.GetUserId(), Caller: in.GetCaller(), Method: in.GetMethod(), Code: in.GetCode(), Ticket: in.GetTicket()}
	if f.UserID < 0 {
		return f, invalid("user_id", "must not be negative")
	}
	for name, value := range map[string]string{"caller": f.Caller, "method": f.Method, "code": f.Code, "ticket": f.Ticket} {
		if len(value) > maxWord {
			return f, invalid(name, "has more than %d bytes", maxWord)
		}
	}
	var err error
	if f.Since, err = moment("since", in.GetSince()); err != nil {
		return f, err
	}
	f.Until, err = moment("until", in.GetUntil())
	return f, err
}

func (s *impl) GetAudit(ctx context.Context, in *pb.GetAuditRequest) (*pb.AuditEntry, error) {
	if in.GetId() <= 0 {
		return nil, invalid("id", "must be above 0")
	}
	row, err := s.audit.Get(ctx, in.GetId())
	if err != nil {
		return nil, fault(ctx, err)
	}
	return auditEntry(&row), nil
}

func auditEntry(r *audit.Row) *pb.AuditEntry {
	out := &pb.AuditEntry{
		Id: r.ID, At: timestamppb.New(r.At), Transport: r.Transport, Method: r.Method, Caller: r.Caller, ClientIp: r.ClientIP,
		UserId: r.UserID, Hash: r.Hash, Request: r.Request, Code: r.Code, Refusal: r.Entry.Reason, Affected: int32(r.Affected), Reason: r.Note, Ticket: r.Ticket,
	}
	for _, e := range r.Ended {
		out.Ended = append(out.Ended, &pb.EndedSession{UserId: e.UserID, Hash: e.Hash})
	}
	return out
}

// rowToken is a page token of a list by rows: the row below which the next page is.
func rowToken(id int64) string {
	if id == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(id)))
}

func rowOf(token string) (id int64, err error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8 {
		return 0, invalid("page_token", "this list did not give it out")
	}
	if id = int64(binary.BigEndian.Uint64(raw)); id <= 0 {
		return 0, invalid("page_token", "this list did not give it out")
	}
	return id, nil
}

func pageSize(asked int32) (int, error) {
	switch {
	case asked < 0:
		return 0, invalid("page_size", "must not be negative")
	case asked == 0:
		return sessions.DefaultPageSize, nil
	}
	return min(int(asked), sessions.MaxPageSize), nil
}
