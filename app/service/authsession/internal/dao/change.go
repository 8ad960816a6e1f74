package dao

import (
	"context"
	"errors"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// holder is called by a transaction, with the cache keys of the copies that it makes
// stale. Until the transaction ends nobody can cache these copies. Each call is a round trip
// to Redis, so name all keys that are known in one call. Where Redis does not answer, the
// keys are written to the ledger in the same transaction (package lease).
type holder func(keys ...string) error

// change runs a write, in a transaction, that makes copies in the cache stale.
func (d *Dao) change(ctx context.Context, write func(ctx context.Context, tx sqlx.Session, hold holder) error) error {
	return d.changeBy(ctx, func(hold func(context.Context, sqlx.Session) holder) error {
		return d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error { return write(ctx, tx, hold(ctx, tx)) })
	})
}

// changeBy is change for a write that has its own way to a transaction.
func (d *Dao) changeBy(ctx context.Context, run func(hold func(context.Context, sqlx.Session) holder) error) error {
	w := d.cache.Begin()
	err := run(func(ctx context.Context, tx sqlx.Session) holder {
		return func(keys ...string) error { return d.remember(ctx, tx, w.Hold(ctx, keys...)) }
	})
	outcome := lease.Written
	switch {
	case errors.Is(err, ErrUnknown):
		outcome = lease.Unknown
	case err != nil:
		outcome = lease.Undone
	}
	w.End(ctx, outcome)
	return err
}

// OnLateRelease makes told hear of perm keys whose logins have changed, or may
// have, without the cache having been told at once: who is connected with them
// should look again.
func (d *Dao) OnLateRelease(told func(perms []int64)) { d.late.Store(&told) }

func (d *Dao) releasedLate(keys []string) {
	told := d.late.Load()
	if told == nil {
		return
	}
	var perms []int64
	for _, key := range keys {
		if perm, ok := idOf(key, dataCachePrefix); ok {
			perms = append(perms, perm)
		}
	}
	if len(perms) > 0 {
		slices.Sort(perms)
		(*told)(slices.Compact(perms))
	}
}
