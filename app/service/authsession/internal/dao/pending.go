package dao

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// Pending is what setPasswordPending says of a call
// (proto/authsession/manager.proto).
type Pending struct {
	Owner  int64 // names the call; 0: a session that names none
	UserID int64 // whose login it is for; 0: not known
	Owed   bool  // the second factor is owed, or may be; false: no longer
}

// Completed is what ended or began when a sign-in no longer owed the second factor.
type Completed struct {
	Ended []Ended // the user's logins that the policy did not let stay
	Begun *Begun  // the login, when it waits to be confirmed
}

// SetPending notes on perm what a call says of the second factor. When nothing
// is owed any more, the sign-in is complete, and the logins end that the user's
// policy does not let stay beside it.
//
// A user may owe a second factor and not be logged in on perm. Either the BFF binds the
// login after it has answered: so the mark is kept as that of a call in flight. Or the login
// has ended: then the next one begins with a call of its own, which clears the mark.
func (d *Dao) SetPending(ctx context.Context, perm int64, p Pending) (done Completed, err error) {
	if !p.changesState() { // copies of the login stay true
		err = d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
			if err := lockKey(ctx, tx, perm); err != nil {
				return err
			}
			before, err := d.marks(ctx, tx, perm)
			if err != nil {
				return err
			}
			return saveMarks(ctx, tx, perm, before, p.apply(before, nil, d.Now()))
		})
	} else {
		err = d.changeLoginsOn(ctx, perm, func(ctx context.Context, tx sqlx.Session, hold holder, live []loginOn) (err error) {
			done, err = d.settle(ctx, tx, hold, perm, p, live)
			return err
		})
	}
	if err != nil {
		return Completed{}, fmt.Errorf("owed password: %w", err)
	}
	return done, nil
}

// settle is SetPending, in a transaction, of a call that says what a login owes;
// live were the logins on the key before it. The user's row is locked before the
// rows of logins, here as in a sign-in: the other way round, the two would wait
// for each other.
func (d *Dao) settle(ctx context.Context, tx sqlx.Session, hold holder, perm int64, p Pending, live []loginOn) (Completed, error) {
	// The key's row orders all that is said of the key, and its sign-ins.
	if err := lockKey(ctx, tx, perm); err != nil {
		return Completed{}, err
	}
	policies := make(map[int64]Policy, len(live))
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
	before, err := d.marks(ctx, tx, perm)
	if err != nil {
		return Completed{}, err
	}
	after := p.apply(before, users, d.Now())
	if err := saveMarks(ctx, tx, perm, before, after); err != nil || len(users) != 1 || !before.owed(users[0]) || after.owed(users[0]) {
		return Completed{}, err
	}
	return d.complete(ctx, tx, hold, policies[users[0]], perm, users[0])
}

// changesState reports whether a login may owe something else than before: a
// call that begins says nothing of the login that there is.
func (p *Pending) changesState() bool { return !p.Owed || p.UserID != 0 }

// apply returns what the marks of a key become; users are logged in on it.
func (p *Pending) apply(l marks, users []int64, now int64) marks {
	switch {
	case p.Owed && slices.Contains(users, p.UserID):
		return l.set(p.Owner, p.UserID, now)
	case p.Owed:
		return l.set(p.Owner, 0, now)
	case p.UserID != 0:
		return l.completed(p.Owner, p.UserID)
	}
	return l.cleared(p.Owner)
}

// marks are those of a key; the caller has locked it.
func (d *Dao) marks(ctx context.Context, tx sqlx.Session, perm int64) (list marks, err error) {
	err = tx.QueryRowsCtx(ctx, &list, "SELECT owner, user_id, date_created, seq FROM auth_password_pendings WHERE auth_key_id = ?", perm)
	return list, err
}

// saveMarks writes what has changed.
func saveMarks(ctx context.Context, tx sqlx.Session, perm int64, before, after marks) error {
	for _, m := range before {
		if slices.ContainsFunc(after, func(other mark) bool { return other.Owner == m.Owner }) {
			continue
		}
		if _, err := tx.ExecCtx(ctx, "DELETE FROM auth_password_pendings WHERE auth_key_id = ? AND owner = ?", perm, m.Owner); err != nil {
			return err
		}
	}
	for _, m := range after {
		if slices.Contains(before, m) {
			continue
		}
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
