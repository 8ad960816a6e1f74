package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// ErrNotFound means that there is no such row.
var ErrNotFound = errors.New("no such row of the audit log")

// Row is an entry as it was written.
type Row struct {
	Entry
	ID int64
	At time.Time
	// Ended are the logins that the call ended; Get alone fills it, with at most
	// 10,000.
	Ended []Ended
}

// Filter selects rows; its zero value selects all.
type Filter struct {
	UserID int64 // rows about the user, and of calls that ended logins of theirs
	Caller string
	Method string
	Code   string
	Ticket string
	Since  time.Time // then or later
	Until  time.Time // earlier
}

const (
	windowRows = 1000 // that a statement reads
	maxWindows = 10   // that a page reads
	maxEnded   = 10_000
	// clockGap is how far the clocks of nodes may be apart: rows are read in the
	// order in which they were written, which is that of their times but for this.
	clockGap = 5 * time.Minute
)

// Page returns up to limit rows below the row before, the latest first, and the
// row to continue below; 0 at the end of the log. It reads 10,000 rows at most, and
// returns what it has found by then. Before 0 is the top.
func (l *Log) Page(ctx context.Context, f Filter, before int64, limit int) (list []Row, next int64, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	after, before, err := l.bounds(ctx, f, before)
	if err != nil {
		return nil, 0, err
	}
	for range maxWindows {
		rows, err := l.window(ctx, f, after, before)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range rows {
			if f.selects(&r) {
				list = append(list, r)
			}
			if before = r.ID; len(list) == limit {
				return list, before, nil
			}
		}
		if len(rows) < windowRows {
			return list, 0, nil
		}
	}
	return list, before, nil
}

// bounds are rows between which all are that f.Since and f.Until select.
func (l *Log) bounds(ctx context.Context, f Filter, before int64) (after, below int64, err error) {
	below = before
	if !f.Since.IsZero() {
		after, err = l.bound(ctx, "SELECT id FROM auth_admin_logs WHERE created_at < ? ORDER BY created_at DESC, id DESC LIMIT 1", f.Since.Add(-clockGap))
	}
	if err == nil && !f.Until.IsZero() {
		var first int64
		first, err = l.bound(ctx, "SELECT id FROM auth_admin_logs WHERE created_at >= ? ORDER BY created_at, id LIMIT 1", f.Until.Add(clockGap))
		if first != 0 {
			below = min(below, first)
		}
	}
	return after, below, err
}

func (l *Log) bound(ctx context.Context, query string, at time.Time) (id int64, err error) {
	err = l.conn.QueryRowCtx(ctx, &id, query, at.UnixMilli())
	if errors.Is(err, sqlx.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	return id, nil
}

// row is how a statement returns one.
type row struct {
	ID        int64  `db:"id"`
	CreatedAt int64  `db:"created_at"`
	Transport string `db:"transport"`
	Method    string `db:"method"`
	Caller    string `db:"caller"`
	ClientIP  string `db:"client_ip"`
	UserID    int64  `db:"user_id"`
	Hash      int64  `db:"hash"`
	Request   string `db:"request"`
	Code      string `db:"code"`
	Reason    string `db:"reason"`
	Affected  int    `db:"affected"`
	Note      string `db:"note"`
	Ticket    string `db:"ticket"`
}

const columns = "l.id, l.created_at, l.transport, l.method, l.caller, l.client_ip, l.user_id, l.hash, l.request, l.code, l.reason, l.affected, l.note, l.ticket"

// window reads the next rows between two, by the index that leaves the fewest;
// what else f asks for is looked at in the rows.
func (l *Log) window(ctx context.Context, f Filter, after, before int64) ([]Row, error) {
	const order = "l.id < ? AND l.id > ? ORDER BY l.id DESC LIMIT ?"
	from := func(index, where string) string {
		return "SELECT " + columns + " FROM auth_admin_logs l FORCE INDEX (`" + index + "`) WHERE " + where + order
	}
	switch {
	case f.UserID != 0:
		about, err := l.rows(ctx, from("idx_user_id", "l.user_id = ? AND "), f.UserID, before, after, windowRows)
		if err != nil {
			return nil, err
		}
		ended, err := l.rows(ctx, "SELECT "+columns+" FROM (SELECT DISTINCT s.log_id FROM auth_admin_log_sessions s FORCE INDEX (idx_user_log)"+
			" WHERE s.user_id = ? AND s.log_id < ? AND s.log_id > ? ORDER BY s.log_id DESC LIMIT ?) AS w JOIN auth_admin_logs l ON l.id = w.log_id",
			f.UserID, before, after, windowRows)
		if err != nil {
			return nil, err
		}
		return merge(about, ended), nil
	case f.Ticket != "":
		return l.rows(ctx, from("idx_ticket", "l.ticket = ? AND "), f.Ticket, before, after, windowRows)
	case f.Caller != "":
		return l.rows(ctx, from("idx_caller_row", "l.caller = ? AND "), f.Caller, before, after, windowRows)
	case f.Method != "":
		return l.rows(ctx, from("idx_method", "l.method = ? AND "), f.Method, before, after, windowRows)
	}
	return l.rows(ctx, from("PRIMARY", ""), before, after, windowRows)
}

// merge puts two windows together, as far as both were read.
func merge(a, b []Row) []Row {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Row) int { return cmp.Compare(y.ID, x.ID) })
	all = slices.CompactFunc(all, func(x, y Row) bool { return x.ID == y.ID })
	return all[:min(len(all), windowRows)]
}

func (l *Log) rows(ctx context.Context, query string, args ...any) ([]Row, error) {
	var found []row
	if err := l.conn.QueryRowsCtx(ctx, &found, query, args...); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	list := make([]Row, len(found))
	for i := range found {
		list[i] = found[i].row()
	}
	return list, nil
}

func (r *row) row() Row {
	return Row{ID: r.ID, At: time.UnixMilli(r.CreatedAt), Entry: Entry{
		Transport: r.Transport, Method: r.Method, Caller: r.Caller, ClientIP: r.ClientIP,
		UserID: r.UserID, Hash: r.Hash, Request: r.Request, Code: r.Code, Reason: r.Reason, Affected: r.Affected, Note: r.Note, Ticket: r.Ticket,
	}}
}

// selects holds a row against all but the user: the statement did that.
func (f *Filter) selects(r *Row) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(f.Caller, r.Caller) && same(f.Method, r.Method) && same(f.Code, r.Code) && same(f.Ticket, r.Ticket) &&
		(f.Since.IsZero() || !r.At.Before(f.Since)) && (f.Until.IsZero() || r.At.Before(f.Until))
}

// Get returns a row with the logins that its call ended; ErrNotFound where there
// is none.
func (l *Log) Get(ctx context.Context, id int64) (Row, error) {
	list, err := l.rows(ctx, "SELECT "+columns+" FROM auth_admin_logs l WHERE l.id = ?", id)
	if err != nil {
		return Row{}, err
	}
	if len(list) == 0 {
		return Row{}, ErrNotFound
	}
	var ended []struct {
		UserID int64 `db:"user_id"`
		Hash   int64 `db:"hash"`
	}
	if err := l.conn.QueryRowsCtx(ctx, &ended, "SELECT user_id, hash FROM auth_admin_log_sessions WHERE log_id = ? ORDER BY id LIMIT ?", id, maxEnded); err != nil {
		return Row{}, fmt.Errorf("audit log: %w", err)
	}
	for _, e := range ended {
		list[0].Ended = append(list[0].Ended, Ended{UserID: e.UserID, Hash: e.Hash})
	}
	return list[0], nil
}
