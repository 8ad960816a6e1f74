package dao

import (
	"context"
	"fmt"
)

// Rows counts rows that are removed.
type Rows struct {
	Logins  int // that have ended
	History int // logins that another one on their key has followed
	Devices int
}

// overKind is a kind of rows that are over at some time. No node needs them, be it ours or stock's:
//
// auth_users, where the login has ended: stock nodes read rows with deleted = 0
// alone. They write to one that has ended when its user logs in again on its key,
// and insert it where there is none.
//
// auth_user_history is ours.
//
// auths: stock nodes read a key's row whether somebody is logged in on it or not,
// and without one the key is to them as before its client introduced itself.
// Clients do that when they connect, and both kinds of nodes then write the row: one
// that was not written for so long is of a client that does not come any more. It
// stays while somebody is logged in on its key, since it is in their list of devices.
//
// Keys stay, logged in or not: a client whose key is not known makes another one,
// and there is no other sign that it would not have come back.
type overKind struct {
	table  string
	look   string // arguments: the time of before, as often as looks says, and those of after
	looks  int
	remove string // what is after the ids; its arguments are the time of before
	checks int
	cached bool // there are copies
	count  func(*Rows) *int
}

const (
	// endedAt is when the login of a row of auth_users has ended. A stock node that
	// ends one wipes its date of use and leaves the rest.
	endedAt = "IF(revoked_at <> 0 AND revoke_reason <> 0 AND date_active <> 0, revoked_at, UNIX_TIMESTAMP(updated_at))"

	// after makes a window of what comes after a row in an index of dates. Nothing
	// is over before its date is.
	after = "%[1]s < ? AND (%[1]s = ? AND id > ? OR %[1]s > ?) ORDER BY %[1]s, id LIMIT ?"

	overWindow = 5000
)

// overKinds are in the order in which they are removed: a device goes after its
// logins.
var overKinds = []overKind{
	{
		table: "auth_users",
		look: "SELECT id, auth_key_id, date_active AS at, " + endedAt + " < ? AS is_over FROM auth_users FORCE INDEX (idx_deleted_active)" +
			" WHERE deleted = 1 AND " + fmt.Sprintf(after, "date_active"),
		looks:  1,
		remove: " AND deleted = 1 AND " + endedAt + " < ?",
		checks: 1,
		count:  func(o *Rows) *int { return &o.Logins },
	},
	{
		table: "auth_user_history",
		look: "SELECT id, auth_key_id, date_created AS at, revoked_at < ? AS is_over FROM auth_user_history FORCE INDEX (idx_created)" +
			" WHERE " + fmt.Sprintf(after, "date_created"),
		looks: 1,
		count: func(o *Rows) *int { return &o.History },
	},
	{
		table: "auths",
		look: "SELECT id, auth_key_id, date_active AS at, UNIX_TIMESTAMP(updated_at) < ? AND NOT EXISTS (SELECT 1 FROM auth_users" +
			" WHERE auth_users.auth_key_id = auths.auth_key_id AND (deleted = 0 OR " + endedAt + " >= ?)) AS is_over FROM auths FORCE INDEX (idx_active)" +
			" WHERE " + fmt.Sprintf(after, "date_active"),
		looks: 2,
		remove: " AND date_active < ? AND UNIX_TIMESTAMP(updated_at) < ?" +
			" AND NOT EXISTS (SELECT 1 FROM auth_users WHERE auth_users.auth_key_id = auths.auth_key_id)",
		checks: 2,
		cached: true,
		count:  func(o *Rows) *int { return &o.Devices },
	},
}

// OverScan goes once through the rows that have been over since before (Unix
// seconds): it looks at them in windows, without locks, and removes them in batches,
// each in one transaction, or counts them.
type OverScan struct {
	d      *Dao
	before int64
	window int
	kinds  []overKind // the first one is under way
	at     overRow    // the last one that was read
	read   bool       // all of the first kind
	found  []overRow  // and not removed yet
}

type overRow struct {
	ID        int64 `db:"id"`
	AuthKeyID int64 `db:"auth_key_id"`
	At        int64 `db:"at"`
	Over      bool  `db:"is_over"`
}

// ScanOver begins a scan. One goroutine uses it.
func (d *Dao) ScanOver(before int64) *OverScan {
	return &OverScan{d: d, before: before, window: overWindow, kinds: overKinds, at: overRow{At: -1}}
}

// Remove removes up to limit rows, all of one kind, and says which. A row that came
// back to life since it was found stays. Over: there are no more.
func (s *OverScan) Remove(ctx context.Context, limit int) (removed Rows, over bool, err error) {
	rows, err := s.next(ctx, limit)
	if err != nil || len(rows) == 0 {
		return removed, err == nil, err
	}
	n, err := s.d.remove(ctx, s.kinds[0], rows, s.before)
	*s.kinds[0].count(&removed) = n
	return removed, false, err
}

// Count counts what Remove would remove from here to the end.
func (s *OverScan) Count(ctx context.Context) (found Rows, err error) {
	for {
		rows, err := s.next(ctx, s.window)
		if err != nil || len(rows) == 0 {
			return found, err
		}
		*s.kinds[0].count(&found) += len(rows)
	}
}

// next takes up to limit rows of the first kind of which there are any.
func (s *OverScan) next(ctx context.Context, limit int) (rows []overRow, err error) {
	for len(s.kinds) > 0 {
		for !s.read && len(s.found) < limit {
			if err := s.look(ctx); err != nil {
				return nil, err
			}
		}
		if n := min(limit, len(s.found)); n > 0 {
			rows, s.found = s.found[:n:n], s.found[n:]
			return rows, nil
		}
		s.kinds, s.read, s.at = s.kinds[1:], false, overRow{At: -1}
	}
	return nil, nil
}

// look reads the next window.
func (s *OverScan) look(ctx context.Context) error {
	k := s.kinds[0]
	args := make([]any, k.looks, k.looks+5)
	for i := range args {
		args[i] = s.before
	}
	var rows []overRow
	if err := s.d.conn.QueryRowsCtx(ctx, &rows, k.look, append(args, s.before, s.at.At, s.at.ID, s.at.At, s.window)...); err != nil {
		return fmt.Errorf("rows of %s that are over: %w", k.table, err)
	}
	s.read = len(rows) < s.window
	for _, r := range rows {
		if s.at = r; r.Over {
			s.found = append(s.found, r)
		}
	}
	return nil
}

// remove removes rows, in one transaction, which locks them alone.
func (d *Dao) remove(ctx context.Context, k overKind, rows []overRow, before int64) (removed int, err error) {
	args, keys := make([]any, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		args[i], keys[i] = r.ID, r.AuthKeyID
	}
	for range k.checks {
		args = append(args, before)
	}
	var n int64
	err = d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		if k.cached {
			if err := tx.Invalidate(ctx, cacheKeys(dataCacheKey, keys)...); err != nil {
				return err
			}
		}
		result, err := tx.ExecCtx(ctx, "DELETE FROM "+k.table+" WHERE id IN ("+placeholders(len(rows))+")"+k.remove, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("removing rows of %s: %w", k.table, err)
	}
	return int(n), nil
}
