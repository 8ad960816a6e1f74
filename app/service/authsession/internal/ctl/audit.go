package ctl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/auditcsv"
	pb "github.com/tgsession/tgsession/proto/admin"
)

var auditTitles = []string{"ID", "TIME", "CALLER", "FROM", "METHOD", "USER", "CODE", "AFFECTED", "TICKET", "REASON"}

func auditRow(e *pb.AuditEntry) []string {
	user := ""
	if e.GetUserId() != 0 {
		user = id(e.GetUserId())
	}
	code := e.GetCode()
	if e.GetRefusal() != "" {
		code += " (" + e.GetRefusal() + ")"
	}
	return []string{id(e.GetId()), moment(e.GetAt()), e.GetCaller(), e.GetClientIp(), e.GetMethod(), user, code, fmt.Sprint(e.GetAffected()), e.GetTicket(), e.GetReason()}
}

func audit(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ListAuditRequest{}
	r.Int64Var(&in.UserId, "user", 0, "rows about this user `id`, and those that ended sessions of theirs")
	r.StringVar(&in.Caller, "caller", "", "only what this caller asked, by `name`")
	r.StringVar(&in.Method, "method", "", "only this `method`, as RevokeSession")
	r.StringVar(&in.Code, "code", "", "only this answer, by its `code`, as PERMISSION_DENIED")
	r.StringVar(&in.Ticket, "ticket", "", "only this ticket, by its `number`")
	r.moment(&in.Since, "since", "then or later")
	r.moment(&in.Until, "until", "earlier")
	limit := r.Int("limit", 100, "rows at most; 0: all")
	r.StringVar(&in.PageToken, "page-token", "", "go on where an earlier list stopped")
	export := r.String("export", "", "write all rows as a `form`: csv or ndjson")
	others, err := r.parse()
	switch {
	case err != nil:
		return err
	case len(others) > 1:
		return misuse("name one row, or none")
	case *limit < 0:
		return misuse("--limit must not be negative")
	case *export != "" && *export != "csv" && *export != "ndjson":
		return misuse("--export must be csv or ndjson")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if len(others) == 1 {
		row, err := number("id", others[0])
		if err != nil {
			return err
		}
		return r.auditOne(ctx, client, row)
	}
	if *export != "" {
		return r.exportAudit(ctx, client, in, *export)
	}
	out, shown := r.stream("entries", auditTitles), 0
	for {
		in.PageSize = pageSize
		if left := *limit - shown; *limit > 0 && left < pageSize {
			in.PageSize = int32(left)
		}
		page, err := client.ListAudit(ctx, in)
		if err != nil {
			if out.begun() {
				err = partially(err)
				r.goOn(in.PageToken)
			}
			return out.end(err, member{"next_page_token", in.PageToken})
		}
		for _, e := range page.GetEntries() {
			if err := out.add(e, auditRow(e)); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		shown += len(page.GetEntries())
		if in.PageToken = page.GetNextPageToken(); in.PageToken == "" || *limit > 0 && shown >= *limit {
			r.goOn(in.PageToken)
			return out.end(nil, member{"next_page_token", in.PageToken})
		}
	}
}

func (r *request) auditOne(ctx context.Context, client pb.SessionAdminClient, row int64) error {
	e, err := client.GetAudit(ctx, &pb.GetAuditRequest{Id: row})
	if err != nil {
		return err
	}
	return r.show(e, func() [][]string {
		rows := [][]string{
			{"id", id(e.GetId())},
			{"time", moment(e.GetAt())},
			{"caller", e.GetCaller()},
			{"from", e.GetClientIp()},
			{"over", e.GetTransport()},
			{"method", e.GetMethod()},
			{"code", e.GetCode()},
			{"refused for", e.GetRefusal()},
			{"affected", fmt.Sprint(e.GetAffected())},
			{"reason", e.GetReason()},
			{"ticket", e.GetTicket()},
			{"request", e.GetRequest()},
		}
		for _, s := range e.GetEnded() {
			rows = append(rows, []string{"ended", id(s.GetHash()) + " of user " + id(s.GetUserId())})
		}
		return rows
	})
}

// exportAudit writes page after page; one that fails ends it, and says where to go on.
func (r *request) exportAudit(ctx context.Context, client pb.SessionAdminClient, in *pb.ListAuditRequest, form string) error {
	w := bufio.NewWriter(r.stdout)
	write := func(e *pb.AuditEntry) error { return auditcsv.Entry(w, e) }
	if form == "csv" && in.PageToken == "" {
		if err := auditcsv.Titles(w); err != nil {
			return err
		}
	}
	if form == "ndjson" {
		write = func(e *pb.AuditEntry) error { return line(w, e) }
	}
	in.PageSize = pageSize
	for rows := 0; ; {
		page, err := client.ListAudit(ctx, in)
		if err != nil && rows > 0 {
			fmt.Fprintf(r.stderr, "%s rows are written; the rest: --page-token %s\n", strconv.Itoa(rows), printable(in.PageToken))
			return partially(err)
		}
		if err != nil {
			return err
		}
		for _, e := range page.GetEntries() {
			if err := write(e); err != nil {
				return err
			}
			rows++
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if in.PageToken = page.GetNextPageToken(); in.PageToken == "" {
			return nil
		}
	}
}

// line writes a message as JSON on a line of its own.
func line(w io.Writer, m proto.Message) error {
	text, err := asJSON(m)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}
