// Package audit keeps what was asked of the admin API, by whom, and what came
// of it, in the table auth_admin_logs. No token and no certificate gets there.
//
// A change is written down before it begins and completed afterwards: one that
// cannot be written down is not made, and a row without a code tells of one
// whose end was not recorded.
package audit

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
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
	Affected  int    // logins that were ended or listed
}

// columns of the table hold as many characters.
const (
	maxMethod  = 32
	maxCaller  = 128
	maxIP      = 45
	maxRequest = 512
	maxCode    = 24
	maxReason  = 32
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
	result, err := l.conn.ExecCtx(ctx, "INSERT INTO auth_admin_logs(created_at, transport, method, caller, client_ip, user_id, hash, request, code, reason, affected)"+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		l.now().UnixMilli(), e.Transport, cut(e.Method, maxMethod), cut(e.Caller, maxCaller), cut(e.ClientIP, maxIP), e.UserID, e.Hash,
		cut(e.Request, maxRequest), cut(e.Code, maxCode), cut(e.Reason, maxReason), e.Affected)
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	return result.LastInsertId()
}

// Complete writes down what came of a change.
func (l *Log) Complete(ctx context.Context, id int64, code string, affected int) error {
	_, err := l.conn.ExecCtx(ctx, "UPDATE auth_admin_logs SET code = ?, affected = ? WHERE id = ?", cut(code, maxCode), affected, id)
	if err != nil {
		return fmt.Errorf("audit log: row %d: %w", id, err)
	}
	return nil
}

// Prune removes up to limit rows older than keep, the oldest first, and
// returns how many.
func (l *Log) Prune(ctx context.Context, keep time.Duration, limit int) (int, error) {
	result, err := l.conn.ExecCtx(ctx, "DELETE FROM auth_admin_logs WHERE created_at < ? ORDER BY created_at LIMIT ?",
		l.now().Add(-keep).UnixMilli(), limit)
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// cut shortens s to n characters and drops what is no text.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
