package dao

import (
	"context"
	"errors"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// Tx is a transaction that changes rows of which the cache has copies.
type Tx struct {
	sqlx.Session
	d     *Dao
	write *lease.Change
}

// Invalidate names the copies in the cache that the transaction makes stale. Until the
// transaction ends nobody can cache them, and when it has ended they are gone. Each call is a
// round trip to Redis, so name all keys that are known in one call. Where Redis does not answer,
// the keys are written to the ledger in the same transaction (package lease).
func (t *Tx) Invalidate(ctx context.Context, keys ...string) error {
	return t.d.remember(ctx, t, t.write.Hold(ctx, keys...))
}

// change runs a write in a transaction that makes copies in the cache stale. When it
// returns, no node shows what was before; where Redis cannot be told, that takes about a
// second more (lease.Change.End).
func (d *Dao) change(ctx context.Context, write func(ctx context.Context, tx *Tx) error) error {
	untold, err := d.changeAhead(ctx, write)
	untold.Wait(ctx)
	return err
}

// amend is change for a write that takes nothing away from anybody, or only what is over: a
// new key, what a device says of itself, marks of use, and what is swept. It does not wait
// for other nodes. Where Redis cannot be told, they may show what was before for a second.
// There are very many such writes, and calls that wait would take the places of reads.
func (d *Dao) amend(ctx context.Context, write func(ctx context.Context, tx *Tx) error) error {
	_, err := d.changeAhead(ctx, write)
	return err
}

// changeAhead is change without the wait for other nodes, which is the caller's.
func (d *Dao) changeAhead(ctx context.Context, write func(ctx context.Context, tx *Tx) error) (*lease.Untold, error) {
	w := d.cache.Begin()
	err := d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
		return write(ctx, &Tx{Session: tx, d: d, write: w})
	})
	outcome := lease.Written
	switch {
	case errors.Is(err, ErrUnknown):
		outcome = lease.Unknown
	case err != nil:
		outcome = lease.Undone
	}
	return w.Release(ctx, outcome), err
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
