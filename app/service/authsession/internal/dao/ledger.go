package dao

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// ledger remembers in MySQL what Redis could not be told of.
type ledger struct{ d *Dao }

// Ledger is the store's memory of keys that the cache could not be told of.
func (d *Dao) Ledger() lease.Ledger { return ledger{d} }

// ledgerBatch is how many keys a statement takes.
const ledgerBatch = 500

// executor is a connection or a transaction.
type executor interface {
	ExecCtx(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (d *Dao) remember(ctx context.Context, q executor, keys []string) error {
	for batch := range slices.Chunk(keys, ledgerBatch) {
		args := make([]any, 0, 2*len(batch))
		for _, key := range batch {
			args = append(args, key, time.Now().UnixMilli())
		}
		_, err := q.ExecCtx(ctx, "INSERT INTO auth_cache_releases(cache_key, created_at) VALUES (?, ?)"+strings.Repeat(", (?, ?)", len(batch)-1), args...)
		if err != nil {
			return fmt.Errorf("changed keys that Redis does not know of: %w", err)
		}
	}
	return nil
}

// Remember implements lease.Ledger.
func (l ledger) Remember(ctx context.Context, keys []string) error {
	return l.d.remember(ctx, l.d.conn, keys)
}

// Listed implements lease.Ledger. It comes twice a second, too often for the log
// of statements. What a server that only reads has is no look: the ledger of the primary
// may have more, or less.
func (l ledger) Listed(ctx context.Context, limit int) (entries []lease.Entry, err error) {
	ctx, server := askServer(ctx)
	rows, err := l.d.db.QueryContext(ctx, "SELECT id, cache_key, created_at FROM auth_cache_releases ORDER BY id LIMIT ?", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e lease.Entry
		var createdAt int64
		if err := rows.Scan(&e.ID, &e.Key, &createdAt); err != nil {
			return nil, err
		}
		e.Since = time.UnixMilli(createdAt)
		entries = append(entries, e)
	}
	if server.onlyReads {
		return nil, ErrOnlyReads
	}
	return entries, rows.Err()
}

// Forget implements lease.Ledger.
func (l ledger) Forget(ctx context.Context, ids []int64) error {
	for batch := range slices.Chunk(ids, ledgerBatch) {
		if _, err := l.d.conn.ExecCtx(ctx, "DELETE FROM auth_cache_releases WHERE id IN ("+placeholders(len(batch))+")", anys(batch)...); err != nil {
			return err
		}
	}
	return nil
}

// Settled implements lease.Ledger: it returns those keys whose rows in MySQL no unfinished
// transaction is changing. To find out, it locks the rows that the copies of a key in Redis
// are made from: MySQL grants the locks only once each transaction that changed those rows
// has ended. A transaction that does not end, of a connection that was cut off, keeps its
// rows for hours: where a batch finds locks that are not granted in time (lockWaits), its
// keys are tried one by one, and those that are locked stay out. An error comes with the
// keys that were settled before.
func (l ledger) Settled(ctx context.Context, keys []string) (settled []string, err error) {
	for batch := range slices.Chunk(keys, ledgerBatch) {
		some, err := l.settledOf(ctx, batch)
		if settled = append(settled, some...); err != nil {
			return settled, err
		}
	}
	return settled, nil
}

func (l ledger) settledOf(ctx context.Context, batch []string) (settled []string, err error) {
	err = l.d.settled(ctx, batch)
	if err == nil {
		return batch, nil
	}
	if !isLocked(err) || len(batch) == 1 {
		return nil, err
	}
	locked := err
	for i := range batch {
		switch err := l.d.settled(ctx, batch[i:i+1]); {
		case err == nil:
			settled = append(settled, batch[i])
		case !isLocked(err):
			return settled, err
		}
	}
	return settled, locked
}

func (d *Dao) settled(ctx context.Context, cacheKeys []string) error {
	var keys, perms []int64
	for _, key := range cacheKeys {
		if id, ok := idOf(key, keyCachePrefix); ok {
			keys = append(keys, id)
		} else if id, ok := idOf(key, dataCachePrefix); ok {
			perms = append(perms, id)
		}
	}
	tx, err := d.db.BeginTx(ctx, nil) // not on a server that only reads: what is unfinished elsewhere has no locks there
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, look := range []struct {
		from string
		ids  []int64
	}{
		{"auth_keys WHERE auth_key_id", keys},
		{"auth_key_infos WHERE auth_key_id", keys},
		{"auth_key_lifetimes WHERE auth_key_id", keys},
		{"auths WHERE auth_key_id", perms},
		{"auth_users u LEFT JOIN auth_user_settings s ON s.user_id = u.user_id WHERE u.auth_key_id", perms},
		{"auth_password_pendings WHERE auth_key_id", perms},
	} {
		if len(look.ids) == 0 {
			continue
		}
		// Not LOCK IN SHARE MODE: that locks only what an index has, and not the row.
		var n int64
		err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+look.from+" IN ("+placeholders(len(look.ids))+") FOR UPDATE", anys(look.ids)...).Scan(&n)
		if err != nil {
			return err
		}
	}
	return nil
}
