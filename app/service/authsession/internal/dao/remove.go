package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Destroyed is what went with a key.
type Destroyed struct {
	KeyIDs []int64 // the key and, with a perm key, its temp keys; none: there was no such key
	Perm   bool    // it was a perm key: nothing can be done with it any more
	UserID int64   // who was logged in on it; 0: nobody
}

// errRemains means that Redis may still have keys that are to be removed.
var errRemains = errors.New("what an old install has of removed keys in Redis cannot be deleted")

// dropLegacy deletes what an old install left of keys in Redis. That comes before their rows
// in MySQL go: the next read of such a key would move it from Redis to MySQL again, with the
// binding that it had. Where Redis does not answer, the keys have to stay.
func (d *Dao) dropLegacy(ctx context.Context, ids ...int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := d.kv.Delete(ctx, cacheKeys(legacyKey, ids)...); err != nil {
		return fmt.Errorf("%w: %w", errRemains, err)
	}
	return nil
}

// DestroyKey removes a key: with a perm key go its temp keys, and its logins
// end.
func (d *Dao) DestroyKey(ctx context.Context, id int64) (gone Destroyed, err error) {
	if err := d.dropLegacy(ctx, id); err != nil {
		return Destroyed{}, err
	}
	err = d.change(ctx, func(ctx context.Context, tx *Tx) error {
		gone = Destroyed{}
		// Copies of a key that is not there any more go, too.
		if err := tx.Invalidate(ctx, keyCacheKey(id), dataCacheKey(id)); err != nil {
			return err
		}
		var row bindRow
		err := tx.QueryRowCtx(ctx, &row, "SELECT auth_key_id, auth_key_type, perm_auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		gone.KeyIDs = []int64{id}
		if row.Type == Permanent {
			gone.Perm = true
			temps, err := tempKeys(ctx, tx, id)
			if err != nil {
				return err
			}
			gone.KeyIDs = append(gone.KeyIDs, temps...)
			if gone.UserID, err = d.endOn(ctx, tx, id); err != nil {
				return err
			}
			if _, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE auth_key_id = ?", id); err != nil {
				return err
			}
		}
		return deleteKeys(ctx, tx, row.Perm, gone.KeyIDs)
	})
	if err != nil {
		return Destroyed{}, err
	}
	d.forgetSalts(ctx, gone.KeyIDs)
	return gone, nil
}

// endOn ends the logins on a perm key that is being destroyed, and returns
// whose the last one was.
func (d *Dao) endOn(ctx context.Context, tx *Tx, perm int64) (userID int64, err error) {
	live, err := d.records(ctx, tx, "u.auth_key_id = ? AND u.deleted = 0 ORDER BY u.date_active DESC, u.id DESC", perm)
	if err != nil || len(live) == 0 {
		return 0, err
	}
	ids := make([]int64, len(live))
	for i, r := range live {
		ids[i] = r.ID
	}
	_, err = d.end(ctx, tx, ids, ending{why: logins.KeyDestroyed, by: By{Actor: logins.UserActor(live[0].UserID)}})
	return live[0].UserID, err
}

// DropTempKeys removes all temp keys of a perm key but those excepted, and
// returns them.
func (d *Dao) DropTempKeys(ctx context.Context, perm int64, except []int64) (gone []int64, err error) {
	err = d.change(ctx, func(ctx context.Context, tx *Tx) error {
		// The perm key's row first, as everywhere: no two of these cross.
		var row []bindRow
		err := tx.QueryRowsCtx(ctx, &row, "SELECT auth_key_id, auth_key_type, perm_auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", perm)
		if err != nil {
			return err
		}
		gone, err = tempKeys(ctx, tx, perm)
		if err != nil {
			return err
		}
		gone = slices.DeleteFunc(gone, func(id int64) bool { return slices.Contains(except, id) })
		return deleteKeys(ctx, tx, perm, gone)
	})
	if err != nil {
		return nil, err
	}
	d.forgetSalts(ctx, gone)
	return gone, nil
}

// forgetSalts deletes the salts of removed keys. What cannot be deleted within a
// second ends by itself.
func (d *Dao) forgetSalts(ctx context.Context, ids []int64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := d.kv.Delete(ctx, cacheKeys(saltsKey, ids)...); err != nil {
		redisFailures.Errorf("salts of a removed key in Redis: %v", err)
	}
}

// tempKeys lists the keys bound to perm, locked.
func tempKeys(ctx context.Context, tx sqlx.Session, perm int64) (ids []int64, err error) {
	err = tx.QueryRowsCtx(ctx, &ids, "SELECT auth_key_id FROM auth_key_infos WHERE perm_auth_key_id = ? AND auth_key_id <> ? ORDER BY auth_key_id FOR UPDATE", perm, perm)
	return ids, err
}

// deleteKeys deletes keys and the mentions of them in perm's row. errRemains: Redis
// does not answer, and nothing was deleted.
func deleteKeys(ctx context.Context, tx *Tx, perm int64, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	others := perm != 0 && !slices.Contains(ids, perm) // mention them
	stale := ids
	if others {
		stale = slices.Concat(ids, []int64{perm})
	}
	if err := tx.Invalidate(ctx, cacheKeys(keyCacheKey, stale)...); err != nil {
		return err
	}
	if err := tx.d.dropLegacy(ctx, ids...); err != nil {
		return err
	}
	if err := deleteRows(ctx, tx, ids, "auth_keys", "auth_key_infos", "auth_key_lifetimes"); err != nil {
		return err
	}
	if !others {
		return nil
	}
	return clearMentions(ctx, tx, []int64{perm}, ids)
}

func deleteRows(ctx context.Context, tx sqlx.Session, ids []int64, tables ...string) error {
	if len(ids) == 0 {
		return nil
	}
	for _, table := range tables {
		if _, err := tx.ExecCtx(ctx, "DELETE FROM "+table+" WHERE auth_key_id IN ("+placeholders(len(ids))+")", anys(ids)...); err != nil {
			return err
		}
	}
	return nil
}

// clearMentions makes perm keys name none of the temp keys ids any more.
func clearMentions(ctx context.Context, tx sqlx.Session, perms, ids []int64) error {
	if len(perms) == 0 || len(ids) == 0 {
		return nil
	}
	for _, column := range []string{"temp_auth_key_id", "media_temp_auth_key_id"} {
		_, err := tx.ExecCtx(ctx, "UPDATE auth_key_infos SET "+column+" = 0 WHERE auth_key_id IN ("+placeholders(len(perms))+") AND "+
			column+" IN ("+placeholders(len(ids))+")", append(anys(perms), anys(ids)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}
