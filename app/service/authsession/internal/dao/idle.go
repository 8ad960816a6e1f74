package dao

import (
	"context"
	"fmt"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// Two ways to idle logins: of users without a TTL of their own, by when
// they were last active, and of users with one, user by user. A stock node
// moves the date of the device alone.
const (
	selectIdle = " FROM auth_users u FORCE INDEX (idx_deleted_active)" +
		" LEFT JOIN auth_user_settings s ON s.user_id = u.user_id AND s.authorization_ttl_days > 0" +
		" LEFT JOIN auths a ON a.auth_key_id = u.auth_key_id AND a.deleted = 0" +
		" WHERE u.deleted = 0 AND u.date_active < ? AND s.user_id IS NULL" +
		" AND COALESCE(a.date_active, 0) < ? AND (u.date_active > 0 OR a.date_active > 0)"
	selectExpired = " FROM auth_user_settings s FORCE INDEX (idx_ttl)" +
		" STRAIGHT_JOIN auth_users u FORCE INDEX (idx_user_deleted_active) ON u.user_id = s.user_id AND u.deleted = 0" +
		" AND u.date_active < ? - s.authorization_ttl_days * 86400" +
		" LEFT JOIN auths a ON a.auth_key_id = u.auth_key_id AND a.deleted = 0" +
		" WHERE s.authorization_ttl_days > 0 AND COALESCE(a.date_active, 0) < ? - s.authorization_ttl_days * 86400" +
		" AND (u.date_active > 0 OR a.date_active > 0)"
)

// Idle returns the row ids of up to limit live logins that nobody has used
// since before (Unix seconds), or, where their user has a TTL, for that.
// Logins of which no date is known are not idle.
func (d *Dao) Idle(ctx context.Context, before int64, limit int) (ids []int64, err error) {
	if err := d.conn.QueryRowsCtx(ctx, &ids, "SELECT u.id"+selectIdle+" ORDER BY u.date_active, u.id LIMIT ?", before, before, limit); err != nil {
		return nil, fmt.Errorf("idle sessions: %w", err)
	}
	if len(ids) >= limit {
		return ids, nil
	}
	var more []int64
	now := d.Now()
	if err := d.conn.QueryRowsCtx(ctx, &more, "SELECT u.id"+selectExpired+" LIMIT ?", now, now, limit-len(ids)); err != nil {
		return nil, fmt.Errorf("expired sessions: %w", err)
	}
	return append(ids, more...), nil
}

// CountIdle counts what Idle would return for any limit.
func (d *Dao) CountIdle(ctx context.Context, before int64) (n int, err error) {
	now := d.Now()
	for _, q := range []struct {
		from string
		time int64
	}{{selectIdle, before}, {selectExpired, now}} {
		var part int
		if err := d.conn.QueryRowCtx(ctx, &part, "SELECT COUNT(*)"+q.from, q.time, q.time); err != nil {
			return 0, fmt.Errorf("idle sessions: %w", err)
		}
		n += part
	}
	return n, nil
}

// EndIdle ends those of the logins that are idle still, in one transaction.
func (d *Dao) EndIdle(ctx context.Context, ids []int64, before int64, actor string) (ended []Ended, err error) {
	err = d.change(ctx, func(ctx context.Context, tx sqlx.Session, hold holder) error {
		ended, err = d.end(ctx, tx, hold, ids, ending{actor: actor, idle: func(r *Record) Reason {
			switch {
			case r.OwnTTL && r.ExpiresAt != 0 && r.ExpiresAt <= d.Now():
				return TTLExpired
			case !r.OwnTTL && r.LastActive != 0 && r.LastActive < before:
				return Inactive
			}
			return Live
		}})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ending idle sessions: %w", err)
	}
	return ended, nil
}

// expire looks in MySQL whether a login whose cached copy says so has really
// expired, and ends it then. Either way the copy is renewed.
func (d *Dao) expire(ctx context.Context, perm, userID int64) error {
	var ids []int64
	err := d.conn.QueryRowsCtx(ctx, &ids, "SELECT id FROM auth_users WHERE auth_key_id = ? AND user_id = ? AND deleted = 0", perm, userID)
	if err == nil {
		err = d.changeLogin(ctx, perm, func(ctx context.Context, tx sqlx.Session, hold holder) error {
			_, err := d.end(ctx, tx, hold, ids, ending{idle: func(r *Record) Reason {
				if r.ExpiresAt != 0 && r.ExpiresAt <= d.Now() {
					return TTLExpired
				}
				return Live
			}})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("expired session: %w", err)
	}
	return nil
}
