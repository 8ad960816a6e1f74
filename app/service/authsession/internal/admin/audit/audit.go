// Package audit keeps what was asked of the admin API, by whom, and what came
// of it, in the table auth_admin_logs, and which logins ended by it in
// auth_admin_log_sessions. No token and no certificate gets there.
//
// A change is written down before it begins and completed afterwards: one that
// cannot be written down is not made, and a row without a code tells of one
// whose end was not recorded.
package audit

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
)

// Entry is a row. Texts are cut to their columns.
type Entry struct {
	Transport string // grpc or rest
	Method    string // as in the service SessionAdmin; empty: the call did not get that far
	Caller    string // empty: not known
	ClientIP  string
	UserID    int64 // whom the call is about; 0: nobody in particular
	Hash      int64 // likewise
	Request   string
	Code      string // of the answer, as OK or NOT_FOUND; empty: under way
	Reason    string // why the call was refused; empty: it was not
	Affected  int    // logins that were ended, erased or listed
	Note      string // why the caller says that it is done
	Ticket    string // in which it was asked for
}

// Outcome is what came of a change.
type Outcome struct {
	Code   string
	UserID int64 // whom the call was about, where that was found out; 0: as its row says
	Ended  []Ended
	Others int    // logins that the change removed, events that are delivered again: what is not named
	Counts string // of what it did, as JSON; stands after the request; empty: Ended says it
}

// Ended names a login that a change ended.
type Ended struct{ UserID, Hash int64 }

// columns of the table hold as many characters.
const (
	maxMethod  = 32
	maxCaller  = 128
	maxIP      = 45
	maxRequest = 512
	maxCode    = 24
	maxReason  = 32
	// MaxNote and MaxTicket bound what a caller says of a change, in characters.
	MaxNote   = 200
	MaxTicket = 64
)

// Log is the table. It may be used from any goroutine.
type Log struct {
	conn sqlx.SqlConn
	now  func() time.Time
}

// New returns the log in db.
func New(db *sql.DB, now func() time.Time) *Log {
	return &Log{conn: sqlx.NewSqlConnFromDB(db), now: now}
}

// Write adds a row and returns its id.
func (l *Log) Write(ctx context.Context, e Entry) (id int64, err error) {
	result, err := l.conn.ExecCtx(ctx, "INSERT INTO auth_admin_logs(created_at, transport, method, caller, client_ip, user_id, hash, request, code, reason, affected, note, ticket)"+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		l.now().UnixMilli(), e.Transport, device.Text(e.Method, maxMethod), device.Text(e.Caller, maxCaller), device.Text(e.ClientIP, maxIP), e.UserID, e.Hash,
		device.Text(e.Request, maxRequest), device.Text(e.Code, maxCode), device.Text(e.Reason, maxReason), e.Affected,
		device.Text(e.Note, MaxNote), device.Text(e.Ticket, MaxTicket))
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	return result.LastInsertId()
}

// Bounds of a statement.
const (
	endedBatch  = 500  // logins that it writes
	prunedBatch = 5000 // and removes
)

// Complete writes down what came of a change, and each login that it ended, all
// or none of it.
func (l *Log) Complete(ctx context.Context, id int64, o Outcome) error {
	err := l.conn.TransactCtx(ctx, func(ctx context.Context, tx sqlx.Session) error {
		for batch := range slices.Chunk(o.Ended, endedBatch) {
			args := make([]any, 0, 3*len(batch))
			for _, e := range batch {
				args = append(args, id, e.UserID, e.Hash)
			}
			_, err := tx.ExecCtx(ctx, "INSERT INTO auth_admin_log_sessions(log_id, user_id, hash) VALUES "+
				strings.TrimSuffix(strings.Repeat("(?, ?, ?), ", len(batch)), ", "), args...)
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecCtx(ctx, "UPDATE auth_admin_logs SET code = ?, affected = ?, user_id = IF(user_id = 0, ?, user_id),"+
			" request = LEFT(CONCAT_WS(' ', request, NULLIF(?, '')), ?) WHERE id = ?",
			device.Text(o.Code, maxCode), len(o.Ended)+o.Others, o.UserID, o.Counts, maxRequest, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("audit log: row %d: %w", id, err)
	}
	return nil
}

// Prune removes up to limit rows older than keep, the oldest first, with the
// logins that they name, and returns how many rows.
func (l *Log) Prune(ctx context.Context, keep time.Duration, limit int) (int, error) {
	return l.prune(ctx, "created_at < ? ORDER BY created_at LIMIT ?", keep, limit)
}

// PruneRefusals is Prune of the refusals of unknown callers, which anybody can
// make.
func (l *Log) PruneRefusals(ctx context.Context, keep time.Duration, limit int) (int, error) {
	return l.prune(ctx, "caller = '' AND created_at < ? ORDER BY created_at LIMIT ?", keep, limit)
}

func (l *Log) prune(ctx context.Context, where string, keep time.Duration, limit int) (n int, err error) {
	var ids []int64
	err = l.conn.QueryRowsCtx(ctx, &ids, "SELECT id FROM auth_admin_logs WHERE "+where, l.now().Add(-keep).UnixMilli(), limit)
	if err == nil && len(ids) > 0 {
		err = l.remove(ctx, ids)
	}
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	return len(ids), nil
}

// remove removes rows after the logins that they name, each statement in a transaction of
// its own. A row names 10,000 logins and more, so that all of them at once may take longer
// than a statement has: then nothing is removed, and the same rows come next. Whoever stops
// in between leaves rows without their logins, which go with the next ones.
func (l *Log) remove(ctx context.Context, ids []int64) error {
	args := make([]any, len(ids), len(ids)+1)
	for i, id := range ids {
		args[i] = id
	}
	in := "(?" + strings.Repeat(",?", len(ids)-1) + ")"
	for removed := int64(prunedBatch); removed == prunedBatch; {
		result, err := l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_log_sessions WHERE log_id IN "+in+" ORDER BY log_id, id LIMIT ?", append(args, prunedBatch)...)
		if err != nil {
			return err
		}
		if removed, err = result.RowsAffected(); err != nil {
			return err
		}
	}
	_, err := l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_logs WHERE id IN "+in, args...)
	return err
}
