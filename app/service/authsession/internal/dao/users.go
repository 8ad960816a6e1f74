package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// maxDevices bounds a user's list.
const maxDevices = 10_000

type userRow struct {
	ID          int64 `db:"id"`
	AuthKeyID   int64 `db:"auth_key_id"`
	UserID      int64 `db:"user_id"`
	Hash        int64 `db:"hash"`
	DateCreated int64 `db:"date_created"`
	Deleted     int64 `db:"deleted"`
}

const selectUsers = "SELECT id, auth_key_id, user_id, hash, date_created, deleted FROM auth_users WHERE "

// BindUser logs userID in on perm and out whoever was on it, and returns the
// login's hash. Logging in again keeps hash and date; newHash is used for a
// first login.
func (d *Dao) BindUser(ctx context.Context, perm, userID, newHash int64) (hash int64, err error) {
	err = d.changeLogin(ctx, perm, func(ctx context.Context, tx sqlx.Session) error {
		// The key's row orders all binds of a key.
		var locked int64
		err := tx.QueryRowCtx(ctx, &locked, "SELECT auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", perm)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecCtx(ctx, "UPDATE auth_users SET deleted = 1 WHERE auth_key_id = ? AND user_id <> ? AND deleted = 0", perm, userID); err != nil {
			return err
		}
		var rows []userRow
		if err := tx.QueryRowsCtx(ctx, &rows, selectUsers+"auth_key_id = ? AND user_id = ?", perm, userID); err != nil {
			return err
		}
		now := d.Now()
		login := userRow{Hash: newHash, DateCreated: now}
		if len(rows) == 1 {
			if rows[0].Hash != 0 {
				login.Hash = rows[0].Hash
			}
			if rows[0].DateCreated != 0 { // stock wipes it when it revokes
				login.DateCreated = rows[0].DateCreated
			}
		}
		_, err = tx.ExecCtx(ctx, "INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, ?, ?, ?, ?)"+
			" ON DUPLICATE KEY UPDATE hash = VALUES(hash), date_created = VALUES(date_created), date_active = VALUES(date_active), deleted = 0",
			perm, userID, login.Hash, login.DateCreated, now)
		hash = login.Hash
		return err
	})
	if err != nil {
		return 0, err
	}
	return hash, nil
}

// UnbindUser logs userID out of perm, and out of every key when perm is 0. It
// returns the perm keys. The rows stay, marked, with their dates.
func (d *Dao) UnbindUser(ctx context.Context, perm, userID int64) ([]int64, error) {
	return d.revoke(ctx, userID, func(r userRow) bool { return perm == 0 || r.AuthKeyID == perm })
}

// Revoke logs userID out of the logins with the given hash, or with any when
// hash is 0, but never of the key except. It returns the perm keys.
func (d *Dao) Revoke(ctx context.Context, userID, hash, except int64) ([]int64, error) {
	return d.revoke(ctx, userID, func(r userRow) bool {
		return r.AuthKeyID != except && (hash == 0 || r.Hash == hash)
	})
}

func (d *Dao) revoke(ctx context.Context, userID int64, match func(userRow) bool) (perms []int64, err error) {
	err = d.cache.Change(ctx, func(hold func(...string)) error {
		return d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
			perms = nil
			var rows []userRow
			if err := tx.QueryRowsCtx(ctx, &rows, selectUsers+"user_id = ? AND deleted = 0 ORDER BY id FOR UPDATE", userID); err != nil {
				return err
			}
			rows = slices.DeleteFunc(rows, func(r userRow) bool { return !match(r) })
			for batch := range slices.Chunk(rows, 500) {
				ids := make([]int64, len(batch))
				for i, r := range batch {
					ids[i] = r.ID
					perms = append(perms, r.AuthKeyID)
					hold(dataCacheKey(r.AuthKeyID))
				}
				if _, err := tx.ExecCtx(ctx, "UPDATE auth_users SET deleted = 1 WHERE id IN ("+placeholders(len(ids))+")", anys(ids)...); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return perms, nil
}

// Device is a login of a user as the list of devices shows it.
type Device struct {
	AuthKeyID       int64
	Client          Client
	Bound           Bound
	PasswordPending bool
}

type deviceRow struct {
	AuthKeyID int64 `db:"auth_key_id"`
	loginRow
}

// Devices lists the live logins of a user, the one active last first, from
// MySQL in one statement.
func (d *Dao) Devices(ctx context.Context, userID int64) ([]Device, error) {
	var rows []deviceRow
	err := d.conn.QueryRowsCtx(ctx, &rows, "SELECT u.auth_key_id, "+clientColumns+","+
		" u.user_id, u.hash, u.date_created, u.date_active, u.android_push_session_id,"+
		" COALESCE(p.auth_key_id, 0) AS has_pending, COALESCE(p.user_id, 0) AS pending_user"+
		" FROM auth_users u LEFT JOIN auths a ON a.auth_key_id = u.auth_key_id AND a.deleted = 0"+
		" LEFT JOIN auth_password_pendings p ON p.auth_key_id = u.auth_key_id"+
		" WHERE u.user_id = ? AND u.deleted = 0 ORDER BY u.date_active DESC, u.id DESC LIMIT ?", userID, maxDevices)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	devices := make([]Device, len(rows))
	for i, r := range rows {
		devices[i] = Device{AuthKeyID: r.AuthKeyID, Client: *r.client(r.AuthKeyID), PasswordPending: r.HasPending != 0,
			Bound: Bound{UserID: r.UserID, Hash: r.Hash, DateCreated: r.DateCreated, DateActivated: r.DateActive, AndroidPushSessionID: r.PushSessionID}}
	}
	return devices, nil
}
