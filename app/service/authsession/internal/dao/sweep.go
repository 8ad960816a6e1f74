package dao

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// ErrSweeping means that another node sweeps at the moment.
var ErrSweeping = errors.New("another node sweeps")

const (
	sweepLock  = "authsession.sweep"
	sweepBound = 15 * time.Second // of one batch
)

// Sweep is a run that removes temp keys whose time is over, and what calls left
// behind that may have owed a password. One run at a time holds the database's
// sweep lock; every transaction of the run checks that it still does.
//
// The lock saves work. That no living key is removed, each batch makes sure by
// itself.
type Sweep struct {
	d     *Dao
	lock  *dblock.Lock
	until int64
}

// StartSweep begins a run over the keys that ended grace ago or before.
// ErrSweeping: another node is at it. Close ends it.
func (d *Dao) StartSweep(ctx context.Context, grace time.Duration) (*Sweep, error) {
	lock, err := dblock.Take(ctx, d.db, sweepLock)
	if errors.Is(err, dblock.ErrTaken) {
		return nil, ErrSweeping
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return &Sweep{d: d, lock: lock, until: d.Now() - int64(grace/time.Second)}, nil
}

// Close gives the lock back.
func (s *Sweep) Close() { s.lock.Release() }

// sweepRow is a key that looked ended, read without a lock.
type sweepRow struct {
	ID   int64 `db:"auth_key_id"`
	Perm int64 `db:"perm"` // the perm key whose row names it; 0: none
}

// selectEnded reads from one index each, which it names: MySQL would rather sort
// all keys that are not bound. What is bound ends with its binding.
const (
	selectEnded = "SELECT l.auth_key_id, COALESCE(p.auth_key_id, 0) AS perm FROM auth_key_lifetimes l FORCE INDEX "
	joinEnded   = " LEFT JOIN auth_key_infos i ON i.auth_key_id = l.auth_key_id" +
		" LEFT JOIN auth_key_infos p ON p.auth_key_id = i.perm_auth_key_id AND p.auth_key_id <> l.auth_key_id" +
		" AND l.auth_key_id IN (p.temp_auth_key_id, p.media_temp_auth_key_id) WHERE "
)

var endedBy = [...]string{
	"(idx_bound_until)" + joinEnded + "l.bound_until > 0 AND l.bound_until <= ? ORDER BY l.bound_until LIMIT ?",
	"(idx_expires_at)" + joinEnded + "l.expires_at > 0 AND l.expires_at <= ? AND l.bound_until = 0 ORDER BY l.expires_at LIMIT ?",
}

// Batch removes up to limit keys and what names them, in one transaction, and
// returns how many. 0: none is left.
func (s *Sweep) Batch(ctx context.Context, limit int) (removed int, err error) {
	ctx, cancel := context.WithTimeout(s.lock.Fenced(ctx), sweepBound)
	defer cancel()
	for _, where := range endedBy {
		rows, err := s.ended(ctx, where, limit)
		if err != nil {
			return 0, err
		}
		if len(rows) > 0 {
			return s.remove(ctx, rows)
		}
	}
	return 0, nil
}

// Marks removes up to limit marks of calls that left no login and that nobody
// has heard the end of, and returns how many. They have no effect any more.
func (s *Sweep) Marks(ctx context.Context, limit int) (removed int, err error) {
	ctx, cancel := context.WithTimeout(s.lock.Fenced(ctx), sweepBound)
	defer cancel()
	var n int64
	err = s.d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
		result, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE user_id = 0 AND date_created < ? ORDER BY date_created LIMIT ?",
			s.d.Now()-logins.MarkLife, limit)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep: marks of owed passwords: %w", err)
	}
	return int(n), nil
}

func (s *Sweep) ended(ctx context.Context, where string, limit int) (list []sweepRow, err error) {
	if err := s.d.conn.QueryRowsCtx(ctx, &list, selectEnded+where, s.until, limit); err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return list, nil
}

func (s *Sweep) remove(ctx context.Context, rows []sweepRow) (removed int, err error) {
	var ids, perms []int64
	for _, r := range rows {
		ids = append(ids, r.ID)
		if r.Perm != 0 {
			perms = append(perms, r.Perm)
		}
	}
	if err := s.d.dropLegacy(ctx, ids...); err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	err = s.d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.Invalidate(ctx, cacheKeys(keyCacheKey, slices.Concat(ids, perms))...); err != nil {
			return err
		}
		removed, err = s.removeLocked(ctx, tx, ids, perms)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	return removed, nil
}

// removeLocked looks again at what may have changed meanwhile: a key that has
// been bound anew stays, and so does a perm key, whatever its lifetime's row
// says; that row goes.
func (s *Sweep) removeLocked(ctx context.Context, tx sqlx.Session, ids, perms []int64) (removed int, err error) {
	locked := append(anys(ids), anys(perms)...)
	var known []bindRow // in the order in which a bind locks them
	err = tx.QueryRowsCtx(ctx, &known, "SELECT auth_key_id, auth_key_type, perm_auth_key_id FROM auth_key_infos WHERE auth_key_id IN ("+
		placeholders(len(locked))+") ORDER BY auth_key_id FOR UPDATE", locked...)
	if err != nil {
		return 0, err
	}
	var over []int64
	err = tx.QueryRowsCtx(ctx, &over, "SELECT auth_key_id FROM auth_key_lifetimes WHERE auth_key_id IN ("+placeholders(len(ids))+")"+
		" AND IF(bound_until > 0, bound_until, expires_at) <= ? FOR UPDATE", append(anys(ids), s.until)...)
	if err != nil {
		return 0, err
	}
	permanent := map[int64]bool{}
	for _, k := range known {
		permanent[k.ID] = k.Type == Permanent
	}
	gone := make([]int64, 0, len(over))
	for _, id := range over {
		if !permanent[id] {
			gone = append(gone, id)
		}
	}
	if err := deleteRows(ctx, tx, gone, "auth_keys", "auth_key_infos"); err != nil {
		return 0, err
	}
	if err := deleteRows(ctx, tx, over, "auth_key_lifetimes"); err != nil {
		return 0, err
	}
	return len(over), clearMentions(ctx, tx, perms, gone)
}
