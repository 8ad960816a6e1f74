package dao

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// SignIn is what a sign-in did.
type SignIn struct {
	Hash int64 // names the login
	// Replaced are the logins of other users that were live on the same key: at most
	// one, unless stock nodes left more.
	Replaced []Ended
	// Ended are the user's logins that the policy did not let stay.
	Ended []Ended
	// Begun is the login, when it is complete and waits to be confirmed.
	Begun *Begun
}

// Begun is a login that waits to be confirmed by its user.
type Begun struct {
	Login  Record
	Others []int64 // perm keys of the user's other logins, which hear of it (logins.Completion)
}

// Others are the perm keys of a user's live logins but that with the given hash, the
// last active first, at most 100.
func (d *Dao) Others(ctx context.Context, userID, hash int64) ([]int64, error) {
	live, err := d.liveOf(ctx, d.conn, userID, logins.MaxOthers+1)
	return logins.Others(facts(live), hash), err
}

// begun is a login that was stored, if it waits to be confirmed.
func begun(login *Record, others []int64) *Begun {
	if !login.Unconfirmed {
		return nil
	}
	return &Begun{Login: *login, Others: others}
}

// SignIn logs userID in on perm, in one transaction with all that follows from it; what that
// is, logins.Rules.SignIn says. If userID is logged in on perm already, the login keeps its
// hash and date; else it gets newHash. While the login owes the second factor, the user's
// policy is not enforced; SetPending does that when nothing is owed any more. Where very
// many logins of the user may not stay, some of them end after the transaction (surplus.go).
func (d *Dao) SignIn(ctx context.Context, perm, userID, newHash int64) (done SignIn, err error) {
	var own logins.Login
	var rest []logins.Login
	began := time.Now()
	err = d.changeLogin(ctx, perm, func(ctx context.Context, tx *Tx) error {
		done = SignIn{}
		rules := d.rules.Load()
		in, client, err := d.signingIn(ctx, tx, rules, perm, userID)
		if err != nil {
			return err
		}
		plan := rules.SignIn(in)
		by := By{Actor: logins.UserActor(userID)}
		if done.Replaced, err = d.end(ctx, tx, plan.Replace, ending{why: logins.ReplacedOnKey, by: by}); err != nil {
			return err
		}
		if done.Ended, rest, err = d.endSurplus(ctx, tx, userID, plan.End, in.Live); err != nil {
			return err
		}
		login, err := d.storeLogin(ctx, tx, in, newHash, client, plan.UnconfirmedUntil)
		if err != nil {
			return err
		}
		own, done.Hash = login.Login, login.Hash
		if plan.Begins() {
			done.Begun = begun(login, plan.Tell)
		}
		return saveMarks(ctx, tx, perm, in.Marks, plan.Marks)
	})
	if err != nil {
		return SignIn{}, err
	}
	done.Ended = append(done.Ended, d.endRest(ctx, began, own, rest)...)
	return done, nil
}

// signingIn reads what a sign-in depends on, and the device that signs in. Sign-ins on one key
// wait for each other at the key's row, those of one user at the user's row. All take the two
// locks in this order.
func (d *Dao) signingIn(ctx context.Context, tx sqlx.Session, rules *logins.Rules, perm, userID int64) (in logins.SignIn, client Client, err error) {
	if err := lockKey(ctx, tx, perm); err != nil {
		return in, client, err
	}
	policy, err := lockUser(ctx, tx, userID)
	if err != nil {
		return in, client, err
	}
	onKey, err := d.records(ctx, tx, "u.auth_key_id = ? ORDER BY u.id", perm)
	if err != nil {
		return in, client, err
	}
	if client, err = d.client(ctx, tx, perm); err != nil {
		return in, client, err
	}
	deviceType := device.Type(client.Device())
	live, err := d.liveFor(ctx, tx, rules, policy, userID, deviceType)
	if err != nil {
		return in, client, err
	}
	marks, err := marksOf(ctx, tx, perm)
	return logins.SignIn{
		Now: d.Now(), AuthKeyID: perm, UserID: userID, DeviceType: deviceType,
		Own: policy, OnKey: facts(onKey), Live: live, Marks: marks,
	}, client, err
}

func lockKey(ctx context.Context, tx sqlx.Session, perm int64) error {
	var locked int64
	err := tx.QueryRowCtx(ctx, &locked, "SELECT auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", perm)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// client is the device that uses a key; none: a zero one.
func (d *Dao) client(ctx context.Context, tx sqlx.Session, perm int64) (Client, error) {
	var row loginRow
	if err := tx.QueryRowCtx(ctx, &row, "SELECT 'OFF' AS read_only, "+loginColumns, perm); err != nil {
		return Client{}, err
	}
	return *row.client(perm), nil
}

// storeLogin makes the row of a login live and tells of a login that was not. What an ended
// login's row says goes to the history before.
func (d *Dao) storeLogin(ctx context.Context, tx sqlx.Session, in logins.SignIn, newHash int64, client Client, unconfirmedUntil int64) (*Record, error) {
	var before *logins.Login
	write, isLive := insert, false
	if i := slices.IndexFunc(in.OnKey, func(l logins.Login) bool { return l.UserID == in.UserID }); i >= 0 {
		before, write = &in.OnKey[i], upsert
		live, err := lockLive(ctx, tx, []loginOn{{ID: before.ID}}) // it may have ended since it was read
		if err != nil {
			return nil, err
		}
		if isLive = len(live) > 0; !isLive {
			if err := keepHistory(ctx, tx, before.ID); err != nil {
				return nil, err
			}
		}
	}
	var addresses string
	if client.IP != "" {
		addresses = addressText([]Address{d.addressAt(client.IP, in.Now)})
	}
	row := logins.RowOf(before, isLive, newHash, in.Now)
	set := []column{
		{"hash", row.Hash},
		{"date_created", row.SignedIn},
		{"date_active", in.Now},
		{"device_type", in.DeviceType},
		{"deleted", 0},
		{"revoked_at", 0},
		{"revoke_reason", 0},
		{"revoked_by", ""},
		{"revoke_note", ""},
		{"revoke_ticket", ""},
	}
	anew := []column{
		{"unconfirmed_until", unconfirmedUntil}, {"encrypted_requests_disabled", 0}, {"call_requests_disabled", 0}, {"addresses", addresses},
	}
	if row.Anew {
		set, anew = append(set, anew...), nil
	}
	if err := write(ctx, tx, "auth_users", []column{{"auth_key_id", in.AuthKeyID}, {"user_id", in.UserID}}, set, anew); err != nil {
		return nil, err
	}
	stored, err := d.records(ctx, tx, "u.auth_key_id = ? AND u.user_id = ?", in.AuthKeyID, in.UserID)
	if err == nil && len(stored) == 0 {
		err = sql.ErrNoRows // it was written just now
	}
	if err != nil {
		return nil, err
	}
	if err := d.storePlace(ctx, tx, in.AuthKeyID, stored[0].Client.IP); err != nil || !row.Anew {
		return &stored[0], err
	}
	return &stored[0], d.appendEvents(ctx, tx, events.Event{Type: events.Created, At: d.now(), Session: stored[0].snapshot(), Actor: logins.UserActor(in.UserID)})
}

// keepHistory copies what the row of an ended login says. A stock node that ends
// one wipes its dates and says nothing of why.
func keepHistory(ctx context.Context, tx sqlx.Session, id int64) error {
	const ours = "IF(revoked_at <> 0 AND revoke_reason <> 0 AND date_active <> 0, "
	_, err := tx.ExecCtx(ctx, "INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, device_type, revoked_at, revoke_reason, revoked_by, addresses, revoke_note, revoke_ticket)"+
		" SELECT auth_key_id, user_id, hash, date_created, date_active, device_type, "+ours+"revoked_at, UNIX_TIMESTAMP(updated_at)), "+ours+"revoke_reason, 0), "+ours+"revoked_by, ''), addresses, "+ours+"revoke_note, ''), "+ours+"revoke_ticket, '')"+
		" FROM auth_users WHERE id = ? AND deleted = 1", id)
	return err
}

// storePlace keeps with a device where it signed in, unless that is known.
func (d *Dao) storePlace(ctx context.Context, tx sqlx.Session, perm int64, ip string) error {
	country, region := d.place(ip)
	if country == "" && region == "" {
		return nil
	}
	_, err := tx.ExecCtx(ctx, "UPDATE auths SET country = ?, region = ? WHERE auth_key_id = ? AND client_ip = ?", country, region, perm, ip)
	return err
}

// complete ends what the policy of the user logged in on perm does not let
// stay, now that this sign-in is complete: the login is used now, which endRest of another
// sign-in looks at. The user is locked.
func (d *Dao) complete(ctx context.Context, tx *Tx, own logins.Policy, perm, userID int64) (done Completed, err error) {
	_, err = tx.ExecCtx(ctx, "UPDATE auth_users SET date_active = GREATEST(date_active, ?) WHERE auth_key_id = ? AND user_id = ? AND deleted = 0", d.Now(), perm, userID)
	if err != nil {
		return Completed{}, err
	}
	login, err := d.records(ctx, tx, "u.auth_key_id = ? AND u.user_id = ? AND u.deleted = 0", perm, userID)
	if err != nil || len(login) == 0 {
		return Completed{}, err
	}
	rules := d.rules.Load()
	live, err := d.liveFor(ctx, tx, rules, own, userID, login[0].DeviceType)
	if err != nil {
		return Completed{}, err
	}
	plan := rules.Completion(own, live, perm, login[0].DeviceType)
	if done.Ended, done.rest, err = d.endSurplus(ctx, tx, userID, plan.End, live); err != nil {
		return Completed{}, err
	}
	done.own, done.Begun = login[0].Login, begun(&login[0], plan.Tell)
	return done, nil
}
