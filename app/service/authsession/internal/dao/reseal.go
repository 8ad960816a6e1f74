package dao

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
)

// cachedKey is a key as the cache has it: with its body as stock writes it, or
// sealed, where bodies are stored encrypted.
type cachedKey struct {
	Key
	Sealed string `json:"auth_key_sealed,omitempty"`
}

func (d *Dao) toCache(k *Key) *cachedKey {
	if k == nil {
		return nil
	}
	c := &cachedKey{Key: *k}
	if d.sealer.Seals() {
		c.Body, c.Sealed = nil, d.sealer.Seal(k.AuthKeyID, k.Body)
	}
	return c
}

// fromCache returns nil when the value is not as it should be: sealed with a
// key that is no longer (or not yet) known, or plain where it must not be.
func (d *Dao) fromCache(c *cachedKey) *Key {
	if c.Sealed == "" {
		if d.sealer.Seals() {
			return nil
		}
		return &c.Key
	}
	body, err := d.sealer.Open(c.AuthKeyID, c.Sealed)
	if err != nil {
		return nil
	}
	k := c.Key
	k.Body = body
	return &k
}

// bodyRow is a stored body.
type bodyRow struct {
	ID   int64  `db:"auth_key_id"`
	Body string `db:"body"`
}

// sameBody tells whether a stored text holds body, and stores it anew if it is
// not in the current form.
func (d *Dao) sameBody(ctx context.Context, tx sqlx.Session, row bodyRow, body []byte) (bool, error) {
	stored, err := d.sealer.Open(row.ID, row.Body)
	if err != nil {
		return false, fmt.Errorf("auth key %d: its body is %w", row.ID, err)
	}
	if subtle.ConstantTimeCompare(stored, body) != 1 {
		return false, nil
	}
	return true, d.reseal(ctx, tx, row)
}

// reseal stores a body in the current form.
func (d *Dao) reseal(ctx context.Context, tx sqlx.Session, row bodyRow) error {
	if d.sealer.Current(row.Body) {
		return nil
	}
	body, err := d.sealer.Open(row.ID, row.Body)
	if err != nil {
		return fmt.Errorf("auth key %d: its body is %w", row.ID, err)
	}
	_, err = tx.ExecCtx(ctx, "UPDATE auth_keys SET body = ? WHERE auth_key_id = ?", secret(d.sealer.Seal(row.ID, body)), row.ID)
	return err
}

// resealBound stores the bodies of a bind's two keys in the current form, where
// bodies are sealed: so plain rows go, key by key, as their devices come back.
func (d *Dao) resealBound(ctx context.Context, tx sqlx.Session, perm, temp int64) error {
	if !d.sealer.Seals() {
		return nil
	}
	var rows []bodyRow
	err := tx.QueryRowsCtx(ctx, &rows, "SELECT auth_key_id, body FROM auth_keys WHERE auth_key_id IN (?, ?) ORDER BY auth_key_id FOR UPDATE", perm, temp)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := d.reseal(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

// CheckSealed refuses a start that would answer every key with a fault: the
// latest body in MySQL is encrypted with a key that is not known.
func (d *Dao) CheckSealed(ctx context.Context) error {
	var row bodyRow
	err := d.conn.QueryRowCtx(ctx, &row, "SELECT auth_key_id, body FROM auth_keys ORDER BY id DESC LIMIT 1")
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("auth keys: %w", err)
	}
	if _, err := d.sealer.Open(row.ID, row.Body); errors.Is(err, keyseal.ErrNoKey) {
		return fmt.Errorf("the auth keys in MySQL are %w: set KeyEncryption.File or Env, or PreviousFile or PreviousEnv for reading alone", err)
	}
	return nil
}

// resealBatch is how many rows Reseal reads at a time.
const resealBatch = 500

// Reseal stores all bodies in the current form: sealed with the current key, or
// plain when there is none. Nodes may serve meanwhile, if they can read both.
// It returns how many rows it rewrote and how many it cannot read.
func (d *Dao) Reseal(ctx context.Context) (rewritten, unreadable int, err error) {
	var last int64
	for {
		var rows []struct {
			Row int64 `db:"id"`
			bodyRow
		}
		err := d.conn.QueryRowsCtx(ctx, &rows, "SELECT id, auth_key_id, body FROM auth_keys WHERE id > ? ORDER BY id LIMIT ?", last, resealBatch)
		if err != nil || len(rows) == 0 {
			return rewritten, unreadable, err
		}
		var stale []bodyRow
		for _, row := range rows {
			last = row.Row
			if d.sealer.Current(row.Body) {
				continue
			}
			if _, err := d.sealer.Open(row.ID, row.Body); err != nil {
				unreadable++
				logx.Errorf("auth key %d: its body is %v", row.ID, err)
				continue
			}
			stale = append(stale, row.bodyRow)
		}
		n, err := d.resealRows(ctx, stale)
		rewritten += n
		if err != nil {
			return rewritten, unreadable, err
		}
	}
}

// resealRows rewrites rows that are still as they were read, and takes the old
// form out of the cache.
func (d *Dao) resealRows(ctx context.Context, rows []bodyRow) (rewritten int, err error) {
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	err = d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		rewritten = 0
		if err := tx.Invalidate(ctx, cacheKeys(keyCacheKey, ids)...); err != nil {
			return err
		}
		for _, row := range rows {
			body, err := d.sealer.Open(row.ID, row.Body)
			if err != nil {
				return err
			}
			result, err := tx.ExecCtx(ctx, "UPDATE auth_keys SET body = ? WHERE auth_key_id = ? AND body = ?",
				secret(d.sealer.Seal(row.ID, body)), row.ID, secret(row.Body))
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err == nil {
				rewritten += int(n)
			}
		}
		return nil
	})
	return rewritten, err
}
