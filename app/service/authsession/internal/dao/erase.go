package dao

import (
	"context"
	"fmt"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
)

// A device belongs to whoever is logged in on its key now: then it stays. It goes
// with the erased user's last login on it otherwise, although others may have used
// it before: its one row tells of the last use.
const ofAnother = "EXISTS (SELECT 1 FROM auth_users WHERE auth_users.auth_key_id = auths.auth_key_id AND deleted = 0"

// EraseBatch removes up to limit rows of a user's ended logins, as many of their
// history, and the devices of both, in one transaction. Nothing: there are no more.
func (d *Dao) EraseBatch(ctx context.Context, userID int64, limit int) (erased Rows, err error) {
	err = d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		erased = Rows{}
		var logins, history []ownRow
		err := tx.QueryRowsCtx(ctx, &logins, "SELECT id, auth_key_id FROM auth_users WHERE user_id = ? AND deleted = 1 LIMIT ? FOR UPDATE", userID, limit)
		if err != nil {
			return err
		}
		err = tx.QueryRowsCtx(ctx, &history, "SELECT id, auth_key_id FROM auth_user_history WHERE user_id = ? LIMIT ?", userID, limit)
		if err != nil {
			return err
		}
		keys := make([]int64, 0, len(logins)+len(history))
		for _, row := range slices.Concat(logins, history) {
			keys = append(keys, row.AuthKeyID)
		}
		if len(keys) == 0 {
			return nil
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		if err := tx.Invalidate(ctx, cacheKeys(dataCacheKey, keys)...); err != nil {
			return err
		}
		for _, gone := range []struct {
			where string
			args  []any
			count *int
		}{
			{"auth_users WHERE id IN (" + placeholders(len(logins)) + ") AND deleted = 1", idsOf(logins), &erased.Logins},
			{"auth_user_history WHERE id IN (" + placeholders(len(history)) + ")", idsOf(history), &erased.History},
			{"auths WHERE auth_key_id IN (" + placeholders(len(keys)) + ") AND NOT " + ofAnother + ")", anys(keys), &erased.Devices},
		} {
			result, err := tx.ExecCtx(ctx, "DELETE FROM "+gone.where, gone.args...)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			*gone.count = int(n)
		}
		return nil
	})
	if err != nil {
		return Rows{}, fmt.Errorf("erasing a user: %w", err)
	}
	return erased, nil
}

// ownRow is one of a user's.
type ownRow struct {
	ID        int64 `db:"id"`
	AuthKeyID int64 `db:"auth_key_id"`
}

func idsOf(rows []ownRow) []any {
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids
}

// EraseSettings removes a user's own settings, what is left of calls of theirs
// that may have owed a password, and then events of theirs that webhooks did not take:
// a webhook that gives one up later finds that nothing is stored of the user.
func (d *Dao) EraseSettings(ctx context.Context, userID int64) error {
	err := d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
		if _, err := tx.ExecCtx(ctx, "DELETE FROM auth_user_settings WHERE user_id = ?", userID); err != nil {
			return err
		}
		_, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE user_id = ?", userID)
		return err
	})
	if err == nil {
		err = again(ctx, func() error { return events.ForgetDeadOf(ctx, d.db, userID) })
	}
	if err != nil {
		return fmt.Errorf("erasing a user: %w", err)
	}
	return nil
}

// CountOf counts what there is of a user: how many logins are live, and all rows
// that would go once those have ended.
func (d *Dao) CountOf(ctx context.Context, userID int64) (live int, rows Rows, err error) {
	for _, one := range []struct {
		n     *int
		query string
		args  []any
	}{
		{&live, "SELECT COUNT(*) FROM auth_users WHERE user_id = ? AND deleted = 0", []any{userID}},
		{&rows.Logins, "SELECT COUNT(*) FROM auth_users WHERE user_id = ?", []any{userID}},
		{&rows.History, "SELECT COUNT(*) FROM auth_user_history WHERE user_id = ?", []any{userID}},
		{&rows.Devices, "SELECT COUNT(*) FROM (SELECT auth_key_id FROM auth_users WHERE user_id = ? UNION SELECT auth_key_id FROM auth_user_history WHERE user_id = ?) AS used" +
			" JOIN auths ON auths.auth_key_id = used.auth_key_id WHERE NOT " + ofAnother + " AND user_id <> ?)", []any{userID, userID, userID}},
	} {
		if err := d.conn.QueryRowCtx(ctx, one.n, one.query, one.args...); err != nil {
			return 0, Rows{}, fmt.Errorf("what there is of a user: %w", err)
		}
	}
	return live, rows, nil
}
