package dao

import (
	"context"
	"fmt"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Idle logins are found in two ways: those of users without a TTL of their own by the date
// of their last use, those of users with a TTL user by user. A stock node changes only the
// device's date, so the logins that it made all look idle by their own date. There may be
// many of them, so they are read in windows, each of which takes a short time.
const (
	selectWindow = "SELECT w.id, w.date_active, s.user_id IS NULL AND COALESCE(a.date_active, 0) < ? AND (w.date_active > 0 OR a.date_active > 0) AS idle" +
		" FROM (SELECT u.id, u.date_active, u.user_id, u.auth_key_id FROM auth_users u FORCE INDEX (idx_deleted_active)" +
		" WHERE u.deleted = 0 AND u.date_active < ? AND (u.date_active = ? AND u.id > ? OR u.date_active > ?)" +
		" ORDER BY u.date_active, u.id LIMIT ?) AS w" +
		" LEFT JOIN auth_user_settings s ON s.user_id = w.user_id AND s.authorization_ttl_days > 0" +
		" LEFT JOIN auths a ON a.auth_key_id = w.auth_key_id AND a.deleted = 0" +
		" ORDER BY w.date_active, w.id"
	selectExpired = " FROM auth_user_settings s FORCE INDEX (idx_ttl)" +
		" STRAIGHT_JOIN auth_users u FORCE INDEX (idx_user_deleted_active) ON u.user_id = s.user_id AND u.deleted = 0" +
		" AND u.date_active < ? - s.authorization_ttl_days * 86400" +
		" LEFT JOIN auths a ON a.auth_key_id = u.auth_key_id AND a.deleted = 0" +
		" WHERE s.authorization_ttl_days > 0 AND COALESCE(a.date_active, 0) < ? - s.authorization_ttl_days * 86400" +
		" AND (u.date_active > 0 OR a.date_active > 0)"

	idleWindow = 5000
)

// IdleScan goes once through the live logins that nobody has used since before
// (Unix seconds), or, where their user has a TTL, for that. Logins of which no
// date is known are not idle.
type IdleScan struct {
	d      *Dao
	before int64
	window int
	at     idleRow // the last one that was read
	over   bool    // all logins of users without a TTL were read
	idle   []int64 // read, and not returned yet
}

type idleRow struct {
	ID         int64 `db:"id"`
	DateActive int64 `db:"date_active"`
	Idle       bool  `db:"idle"`
}

// ScanIdle begins a scan. One goroutine uses it.
func (d *Dao) ScanIdle(before int64) *IdleScan {
	return &IdleScan{d: d, before: before, window: idleWindow, at: idleRow{DateActive: -1}}
}

// Next returns the row ids of up to limit idle logins that it has not returned
// before. Fewer: there are no more.
func (s *IdleScan) Next(ctx context.Context, limit int) (ids []int64, err error) {
	for !s.over && len(s.idle) < limit {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
	}
	n := min(limit, len(s.idle))
	ids, s.idle = s.idle[:n:n], s.idle[n:]
	if n == limit {
		return ids, nil
	}
	var more []int64
	now := s.d.Now()
	if err := s.d.conn.QueryRowsCtx(ctx, &more, "SELECT u.id"+selectExpired+" LIMIT ?", now, now, limit-n); err != nil {
		return nil, fmt.Errorf("expired sessions: %w", err)
	}
	return append(ids, more...), nil
}

// read reads the next window.
func (s *IdleScan) read(ctx context.Context) error {
	var rows []idleRow
	if err := s.d.conn.QueryRowsCtx(ctx, &rows, selectWindow, s.before, s.before, s.at.DateActive, s.at.ID, s.at.DateActive, s.window); err != nil {
		return fmt.Errorf("idle sessions: %w", err)
	}
	s.over = len(rows) < s.window
	for _, r := range rows {
		if s.at = r; r.Idle {
			s.idle = append(s.idle, r.ID)
		}
	}
	return nil
}

// CountIdle counts what a scan would return.
func (d *Dao) CountIdle(ctx context.Context, before int64) (n int, err error) {
	now := d.Now()
	if err := d.conn.QueryRowCtx(ctx, &n, "SELECT COUNT(*)"+selectExpired, now, now); err != nil {
		return 0, fmt.Errorf("expired sessions: %w", err)
	}
	for s := d.ScanIdle(before); !s.over; s.idle = nil {
		if err := s.read(ctx); err != nil {
			return 0, err
		}
		n += len(s.idle)
	}
	return n, nil
}

// EndIdle ends those of the logins that are idle still, in one transaction.
func (d *Dao) EndIdle(ctx context.Context, ids []int64, before int64, by By) (ended []Ended, err error) {
	err = d.change(ctx, func(ctx context.Context, tx *Tx) error {
		ended, err = d.end(ctx, tx, ids, ending{by: by, decide: func(l *logins.Login) logins.Reason { return logins.Unused(l, before, d.Now()) }})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ending idle sessions: %w", err)
	}
	return ended, nil
}

// expire is for a login that has expired by its cached copy. It ends the login if the row
// in MySQL says so, too. In either case the copy is renewed. Other nodes see by their copies
// that the login has expired.
func (d *Dao) expire(ctx context.Context, perm, userID int64) error {
	var ids []int64
	err := d.conn.QueryRowsCtx(ctx, &ids, "SELECT id FROM auth_users WHERE auth_key_id = ? AND user_id = ? AND deleted = 0", perm, userID)
	if err == nil {
		err = d.amendLogin(ctx, perm, func(ctx context.Context, tx *Tx) error {
			_, err := d.end(ctx, tx, ids, ending{decide: func(l *logins.Login) logins.Reason { return logins.Overdue(l, d.Now()) }})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("expired session: %w", err)
	}
	return nil
}
