package dao

import (
	"context"
	"database/sql"
	"errors"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

const (
	// maxTempKeys bounds the temp keys of a perm key. Clients have one for each
	// connection (some have over thirty), and leave those of former runs behind.
	maxTempKeys = 64
	// usualLife is the life of a temp key, in seconds, where its end is not known, as in
	// rows of a stock install.
	usualLife = 24 * 60 * 60
	// dropBatch bounds how many give way to one bind.
	dropBatch = 500
)

// bindRow is what a bind looks at, locked.
type bindRow struct {
	ID   int64 `db:"auth_key_id"`
	Type int32 `db:"auth_key_type"`
	Perm int64 `db:"perm_auth_key_id"`
}

// BindKey makes temp a key of perm, in one transaction with all that it depends
// on, and returns when the binding ends (Unix seconds). That is end's to say,
// which gets the end of the temp key's own life (0: unknown); its error ends the
// bind as ErrBadExpiry. Binding the same pair again succeeds.
//
// The other temp keys of perm stay bound, whatever their kind. Beyond 64 those
// that end first are removed.
func (d *Dao) BindKey(ctx context.Context, perm, temp int64, end func(keyExpiresAt int64) (int64, error)) (until int64, err error) {
	var gone []int64
	err = d.change(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.Invalidate(ctx, keyCacheKey(perm), keyCacheKey(temp)); err != nil {
			return err
		}
		var rows []bindRow
		err := tx.QueryRowsCtx(ctx, &rows, "SELECT auth_key_id, auth_key_type, perm_auth_key_id FROM auth_key_infos"+
			" WHERE auth_key_id IN (?, ?) ORDER BY auth_key_id FOR UPDATE", perm, temp)
		if err != nil {
			return err
		}
		column, err := judgeBind(rows, perm, temp)
		if err != nil {
			return err
		}
		if until, err = d.bindingEnd(ctx, tx, temp, end); err != nil {
			return err
		}
		for _, s := range []struct {
			query string
			args  []any
		}{
			{"UPDATE auth_key_infos SET " + column + " = ? WHERE auth_key_id = ?", []any{temp, perm}},
			{"UPDATE auth_key_infos SET perm_auth_key_id = ? WHERE auth_key_id = ?", []any{perm, temp}},
			{"INSERT INTO auth_key_lifetimes(auth_key_id, bound_until) VALUES (?, ?) ON DUPLICATE KEY UPDATE bound_until = VALUES(bound_until)", []any{temp, until}},
		} {
			if _, err := tx.ExecCtx(ctx, s.query, s.args...); err != nil {
				return err
			}
		}
		if gone, err = d.surplusKeys(ctx, tx, perm, temp); err != nil {
			return err
		}
		switch err := deleteKeys(ctx, tx, perm, gone); {
		case errors.Is(err, errRemains):
			redisFailures.Errorf("temp keys that are too many stay: %v", err)
			gone = nil // the next bind finds them
		case err != nil:
			return err
		}
		return d.resealBound(ctx, tx, perm, temp)
	})
	if err != nil {
		return 0, err
	}
	if len(gone) > 0 {
		d.forgetSalts(ctx, gone)
	}
	return until, nil
}

func (d *Dao) bindingEnd(ctx context.Context, tx sqlx.Session, temp int64, end func(keyExpiresAt int64) (int64, error)) (int64, error) {
	var keyExpiresAt int64
	err := tx.QueryRowCtx(ctx, &keyExpiresAt, "SELECT expires_at FROM auth_key_lifetimes WHERE auth_key_id = ?", temp)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	until, err := end(keyExpiresAt)
	if err != nil || keyExpiresAt != 0 && keyExpiresAt <= d.Now() {
		return 0, ErrBadExpiry
	}
	return until, nil
}

// surplusKeys are the temp keys of perm that give way to temp. The one that ends
// last stays longest; without a known end, the one that was made last.
func (d *Dao) surplusKeys(ctx context.Context, tx sqlx.Session, perm, temp int64) (ids []int64, err error) {
	err = tx.QueryRowsCtx(ctx, &ids, "SELECT i.auth_key_id FROM auth_key_infos i WHERE i.perm_auth_key_id = ? AND i.auth_key_id NOT IN (?, ?) ORDER BY COALESCE("+
		"(SELECT COALESCE(NULLIF(l.bound_until, 0), NULLIF(l.expires_at, 0)) FROM auth_key_lifetimes l WHERE l.auth_key_id = i.auth_key_id),"+
		" UNIX_TIMESTAMP(i.created_at) + ?) DESC, i.id DESC LIMIT ? OFFSET ?",
		perm, perm, temp, usualLife, dropBatch, maxTempKeys-1)
	return ids, err
}

// judgeBind returns the column of the perm key that names the temp key.
func judgeBind(rows []bindRow, perm, temp int64) (column string, err error) {
	var permRow, tempRow *bindRow
	for i := range rows {
		switch rows[i].ID {
		case perm:
			permRow = &rows[i]
		case temp:
			tempRow = &rows[i]
		}
	}
	switch {
	case perm == temp:
		return "", ErrNotTemporary
	case permRow == nil || tempRow == nil:
		return "", ErrUnknownKey
	case permRow.Type != Permanent:
		return "", ErrNotPermanent
	case tempRow.Perm != 0 && tempRow.Perm != perm && tempRow.Type != Permanent:
		return "", ErrAlreadyBound
	case tempRow.Type == Temporary:
		return "temp_auth_key_id", nil
	case tempRow.Type == MediaTemporary:
		return "media_temp_auth_key_id", nil
	default:
		return "", ErrNotTemporary
	}
}
