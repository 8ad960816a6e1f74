package dao

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Completed is what ended or began when a sign-in no longer owed the second factor.
type Completed struct {
	Ended []Ended // the user's logins that the policy did not let stay
	Begun *Begun  // the login, when it waits to be confirmed

	own  logins.Login   // that is complete
	rest []logins.Login // of Ended, those that have not ended yet
}

// SetPending notes on perm what a call says of the second factor. When nothing
// is owed any more, the sign-in is complete, and the logins end that the user's
// policy does not let stay beside it.
func (d *Dao) SetPending(ctx context.Context, perm int64, p logins.Pending) (done Completed, err error) {
	began := time.Now()
	if !p.ChangesState() { // copies of the login stay true
		err = d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
			if err := lockKey(ctx, tx, perm); err != nil {
				return err
			}
			before, err := marksOf(ctx, tx, perm)
			if err != nil {
				return err
			}
			return saveMarks(ctx, tx, perm, before, p.Plan(before, nil, d.Now()).Marks)
		})
	} else {
		err = d.changeLoginsOn(ctx, perm, func(ctx context.Context, tx *Tx, live []loginOn) (err error) {
			done, err = d.settle(ctx, tx, perm, p, live)
			return err
		})
	}
	if err != nil {
		return Completed{}, fmt.Errorf("owed password: %w", err)
	}
	if len(done.rest) > 0 {
		done.Ended = append(done.Ended, d.endRest(ctx, began, done.own, done.rest)...)
		done.rest = nil
	}
	return done, nil
}

// settle is SetPending, in a transaction, of a call that says what a login owes;
// live were the logins on the key before it. The user's row is locked before the
// rows of logins, here as in a sign-in: the other way round, the two would wait
// for each other.
func (d *Dao) settle(ctx context.Context, tx *Tx, perm int64, p logins.Pending, live []loginOn) (Completed, error) {
	// The key's row orders all that is said of the key, and its sign-ins.
	if err := lockKey(ctx, tx, perm); err != nil {
		return Completed{}, err
	}
	policies := make(map[int64]logins.Policy, len(live))
	for _, l := range live {
		policy, err := lockUser(ctx, tx, l.UserID)
		if err != nil {
			return Completed{}, err
		}
		policies[l.UserID] = policy
	}
	now, err := loginsOn(ctx, tx, perm)
	if err != nil {
		return Completed{}, err
	}
	if slices.ContainsFunc(now, func(l loginOn) bool { return !slices.Contains(live, l) }) {
		return Completed{}, errSignedIn
	}
	locked, err := lockLive(ctx, tx, now)
	if err != nil {
		return Completed{}, err
	}
	var users []int64
	for _, l := range now {
		if slices.Contains(locked, l.ID) {
			users = append(users, l.UserID)
		}
	}
	before, err := marksOf(ctx, tx, perm)
	if err != nil {
		return Completed{}, err
	}
	plan := p.Plan(before, users, d.Now())
	if err := saveMarks(ctx, tx, perm, before, plan.Marks); err != nil || plan.Completed == 0 {
		return Completed{}, err
	}
	return d.complete(ctx, tx, policies[plan.Completed], perm, plan.Completed)
}

// marksOf reads the marks of a key, which the caller has locked.
func marksOf(ctx context.Context, tx sqlx.Session, perm int64) (logins.Marks, error) {
	var rows []struct {
		Owner   int64 `db:"owner"`
		UserID  int64 `db:"user_id"`
		Created int64 `db:"date_created"`
		Seq     int64 `db:"seq"`
	}
	err := tx.QueryRowsCtx(ctx, &rows, "SELECT owner, user_id, date_created, seq FROM auth_password_pendings WHERE auth_key_id = ?", perm)
	list := make(logins.Marks, len(rows))
	for i, r := range rows {
		list[i] = logins.Mark(r)
	}
	return list, err
}

// saveMarks writes what has changed.
func saveMarks(ctx context.Context, tx sqlx.Session, perm int64, before, after logins.Marks) error {
	drop, put := before.Change(after)
	for _, owner := range drop {
		if _, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE auth_key_id = ? AND owner = ?", perm, owner); err != nil {
			return err
		}
	}
	for _, m := range put {
		_, err := tx.ExecCtx(ctx, "INSERT INTO auth_password_pendings(auth_key_id, owner, user_id, date_created, seq) VALUES (?, ?, ?, ?, ?)"+
			" ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), date_created = VALUES(date_created), seq = VALUES(seq)",
			perm, m.Owner, m.UserID, m.Created, m.Seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// endMarks removes what logins owed that have ended.
func endMarks(ctx context.Context, tx sqlx.Session, ended []Ended) error {
	if len(ended) == 0 {
		return nil
	}
	where, args := make([]string, len(ended)), make([]any, 0, 2*len(ended))
	for i := range ended {
		where[i] = "auth_key_id = ? AND user_id = ?"
		args = append(args, ended[i].AuthKeyID, ended[i].UserID)
	}
	_, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE "+strings.Join(where, " OR "), args...)
	return err
}
