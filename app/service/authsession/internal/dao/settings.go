package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// policyRow is logins.Policy as a row has it.
type policyRow struct {
	TTLDays  int             `db:"authorization_ttl_days"`
	Strategy logins.Strategy `db:"strategy"`
	Limit    int             `db:"limit_n"`
}

const selectPolicy = "SELECT authorization_ttl_days, strategy, limit_n FROM auth_user_settings WHERE user_id = ?"

// Policy returns a user's own settings. That there are none is no answer of a server that only
// reads: they may have been made since, and who writes back what was read would undo them.
func (d *Dao) Policy(ctx context.Context, userID int64) (logins.Policy, error) {
	ctx, server := askServer(ctx)
	var row policyRow
	err := d.conn.QueryRowCtx(ctx, &row, selectPolicy, userID)
	if errors.Is(err, sql.ErrNoRows) {
		err = server.lacks(0, nil)
	}
	if err != nil {
		return logins.Policy{}, fmt.Errorf("user settings: %w", err)
	}
	return logins.Policy(row), nil
}

// SetPolicy replaces a user's own settings.
func (d *Dao) SetPolicy(ctx context.Context, userID int64, p logins.Policy) error {
	_, err := d.ChangePolicy(ctx, userID, func(stored *logins.Policy) { *stored = p })
	return err
}

// SetTTL replaces a user's TTL; 0 is the configured one.
func (d *Dao) SetTTL(ctx context.Context, userID int64, days int) error {
	_, err := d.ChangePolicy(ctx, userID, func(stored *logins.Policy) { stored.TTLDays = days })
	return err
}

// ChangePolicy changes a user's own settings as they are when nobody else
// changes them, and returns what they have become. Change may run more than
// once.
func (d *Dao) ChangePolicy(ctx context.Context, userID int64, change func(*logins.Policy)) (p logins.Policy, err error) {
	err = d.change(ctx, func(ctx context.Context, tx *Tx) error {
		if p, err = lockUser(ctx, tx, userID); err != nil {
			return err
		}
		before := p.TTLDays
		change(&p)
		if p.TTLDays != before { // copies of the user's logins say when they expire
			var keys []int64
			if err := tx.QueryRowsCtx(ctx, &keys, "SELECT auth_key_id FROM auth_users WHERE user_id = ? AND deleted = 0", userID); err != nil {
				return err
			}
			if err := tx.Invalidate(ctx, cacheKeys(dataCacheKey, keys)...); err != nil {
				return err
			}
		}
		_, err = tx.ExecCtx(ctx, "UPDATE auth_user_settings SET authorization_ttl_days = ?, strategy = ?, limit_n = ? WHERE user_id = ?",
			p.TTLDays, p.Strategy, p.Limit, userID)
		return err
	})
	if err != nil {
		return logins.Policy{}, fmt.Errorf("user settings: %w", err)
	}
	return p, nil
}

// LoginSettings are what a user may set of a login; nil leaves a member.
type LoginSettings struct {
	Confirmed                 bool
	EncryptedRequestsDisabled *bool
	CallRequestsDisabled      *bool
}

// ChangeLogin changes a live login of a user; ErrNotFound when there is none
// with that hash.
func (d *Dao) ChangeLogin(ctx context.Context, userID, hash int64, s LoginSettings) error {
	found, err := d.WithHash(Deciding(ctx), hash)
	if err != nil {
		return fmt.Errorf("session settings: %w", err)
	}
	i := slices.IndexFunc(found, func(r Record) bool { return r.UserID == userID && r.Reason == logins.Live })
	if i < 0 {
		return ErrNotFound
	}
	err = d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
		// The lock comes before the event, so that the events of a login have the
		// order of its commits: the login may be ending now.
		if locked, err := lockLive(ctx, tx, []loginOn{{ID: found[i].ID}}); err != nil || len(locked) == 0 {
			return orNotFound(err)
		}
		now, err := d.records(ctx, tx, "u.id = ? AND u.deleted = 0", found[i].ID)
		if err != nil || len(now) == 0 || now[0].Hash != hash {
			return orNotFound(err)
		}
		r := &now[0]
		if s.EncryptedRequestsDisabled != nil {
			r.EncryptedRequestsDisabled = *s.EncryptedRequestsDisabled
		}
		if s.CallRequestsDisabled != nil {
			r.CallRequestsDisabled = *s.CallRequestsDisabled
		}
		query := "UPDATE auth_users SET encrypted_requests_disabled = ?, call_requests_disabled = ?"
		if s.Confirmed {
			r.Unconfirmed = false
			query += ", unconfirmed_until = 0"
		}
		if _, err := tx.ExecCtx(ctx, query+" WHERE id = ? AND deleted = 0", r.EncryptedRequestsDisabled, r.CallRequestsDisabled, r.ID); err != nil {
			return err
		}
		return d.appendEvents(ctx, tx, events.Event{Type: events.Changed, At: d.now(), Session: r.snapshot(), Actor: logins.UserActor(userID)})
	})
	if err != nil {
		return fmt.Errorf("session settings: %w", err)
	}
	return nil
}

// lockUser makes all sign-ins of a user wait for the end of this transaction,
// and returns the user's settings. It must come before the transaction's first
// plain read, which then sees what the one before has done.
func lockUser(ctx context.Context, tx sqlx.Session, userID int64) (logins.Policy, error) {
	// Not SELECT … FOR UPDATE: where there is no row it locks out nobody.
	if _, err := tx.ExecCtx(ctx, "INSERT INTO auth_user_settings(user_id) VALUES (?) ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)", userID); err != nil {
		return logins.Policy{}, err
	}
	var row policyRow
	err := tx.QueryRowCtx(ctx, &row, selectPolicy+" FOR UPDATE", userID)
	return logins.Policy(row), err
}
