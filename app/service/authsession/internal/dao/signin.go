package dao

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
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
	Others []int64 // perm keys of the user's other logins, the last active first, at most 100
}

// maxOthers bounds the devices that hear of a login.
const maxOthers = 100

// begun is a login on perm beside the others that stay; nil, when it does not
// wait to be confirmed.
func begun(login *Record, live []Record, ended []Ended) *Begun {
	if !login.Unconfirmed {
		return nil
	}
	stay := slices.DeleteFunc(slices.Clone(live), func(r Record) bool {
		return slices.ContainsFunc(ended, func(e Ended) bool { return e.AuthKeyID == r.AuthKeyID })
	})
	return &Begun{Login: *login, Others: others(stay, login.Hash)}
}

// others are the perm keys of logins but that with the given hash, the last active
// first.
func others(live []Record, hash int64) (perms []int64) {
	for _, r := range live {
		if r.Hash != hash && len(perms) < maxOthers {
			perms = append(perms, r.AuthKeyID)
		}
	}
	return perms
}

// Others are the perm keys of a user's live logins but that with the given hash, the
// last active first, at most 100.
func (d *Dao) Others(ctx context.Context, userID, hash int64) ([]int64, error) {
	live, err := d.LiveOf(ctx, userID)
	return others(live, hash), err
}

// SignIn logs userID in on perm and out whoever was on it, and ends what the
// user's policy does not let stay, in one transaction. If userID is logged in on perm
// already, the login keeps its hash and date; else it gets newHash. Marks of calls under
// way on the key (marks.go) belong to this login from now on. While it owes the second
// factor the policy is not enforced; SetPending does that when nothing is owed any more.
func (d *Dao) SignIn(ctx context.Context, perm, userID, newHash int64) (done SignIn, err error) {
	err = d.changeLogin(ctx, perm, func(ctx context.Context, tx sqlx.Session, hold holder) error {
		done = SignIn{}
		// Sign-ins on one key wait for each other at the key's row, those of one user at
		// the user's row. All take the two locks in this order.
		if err := lockKey(ctx, tx, perm); err != nil {
			return err
		}
		policy, err := lockUser(ctx, tx, userID)
		if err != nil {
			return err
		}
		onKey, err := d.records(ctx, tx, "u.auth_key_id = ? ORDER BY u.id", perm)
		if err != nil {
			return err
		}
		live, err := d.liveOf(ctx, tx, userID)
		if err != nil {
			return err
		}
		actor := UserActor(userID)
		if done.Replaced, err = d.end(ctx, tx, hold, foreign(onKey, userID), ending{why: ReplacedOnKey, by: By{Actor: actor}}); err != nil {
			return err
		}
		client, err := d.client(ctx, tx, perm)
		if err != nil {
			return err
		}
		before, err := d.marks(ctx, tx, perm)
		if err != nil {
			return err
		}
		kind := device.Type(client.Device())
		goesOn := slices.ContainsFunc(onKey, func(r Record) bool { return r.UserID == userID && r.Reason == Live })
		after := before.signedIn(userID, goesOn, d.Now())
		if !after.owed(userID) {
			if done.Ended, err = d.end(ctx, tx, hold, d.surplus(policy, live, perm, kind), ending{why: ConcurrentLogin, by: By{Actor: actor}}); err != nil {
				return err
			}
		}
		unconfirmedUntil := int64(0)
		confirmWithin := d.rules.Load().confirmWithin
		if confirmWithin > 0 && slices.ContainsFunc(live, func(r Record) bool { return r.AuthKeyID != perm }) {
			unconfirmedUntil = d.Now() + confirmWithin
		}
		login, err := d.storeLogin(ctx, tx, onKey, perm, userID, newHash, client, unconfirmedUntil)
		if err != nil {
			return err
		}
		if done.Hash = login.Hash; !goesOn && !after.owed(userID) {
			done.Begun = begun(login, live, done.Ended)
		}
		return saveMarks(ctx, tx, perm, before, after)
	})
	if err != nil {
		return SignIn{}, err
	}
	return done, nil
}

// UserActor names a user as the one who ended a login.
func UserActor(userID int64) string { return "user:" + strconv.FormatInt(userID, 10) }

func lockKey(ctx context.Context, tx sqlx.Session, perm int64) error {
	var locked int64
	err := tx.QueryRowCtx(ctx, &locked, "SELECT auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", perm)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// foreign are the live logins of others than userID.
func foreign(list []Record, userID int64) (ids []int64) {
	for _, r := range list {
		if r.UserID != userID && r.Reason == Live {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// client is the device that uses a key; none: a zero one.
func (d *Dao) client(ctx context.Context, tx sqlx.Session, perm int64) (Client, error) {
	var row loginRow
	if err := tx.QueryRowCtx(ctx, &row, "SELECT 'OFF' AS read_only, "+loginColumns, perm); err != nil {
		return Client{}, err
	}
	return *row.client(perm), nil
}

// storeLogin makes the row of a login on perm live and tells of a login that
// was not. A stock install has one row a key and user: what an ended one says goes
// to the history, and the new login has a hash and a date of its own.
func (d *Dao) storeLogin(ctx context.Context, tx sqlx.Session, onKey []Record, perm, userID, newHash int64, client Client, unconfirmedUntil int64) (*Record, error) {
	now := d.Now()
	var addresses string
	if client.IP != "" {
		addresses = addressText([]Address{d.addressAt(client.IP, now)})
	}
	hash, signedIn, wasLive, write := newHash, now, false, insert
	if i := slices.IndexFunc(onKey, func(r Record) bool { return r.UserID == userID }); i >= 0 {
		before := &onKey[i]
		write = upsert
		live, err := lockLive(ctx, tx, []loginOn{{ID: before.ID}}) // it may have ended since it was read
		if err != nil {
			return nil, err
		}
		if wasLive = len(live) > 0; wasLive {
			hash = cmp.Or(before.Hash, newHash) // a stock node's may have none
			signedIn = cmp.Or(before.SignedIn, now)
		} else if err := keepHistory(ctx, tx, before.ID); err != nil {
			return nil, err
		}
	}
	set := []column{
		{"hash", hash},
		{"date_created", signedIn},
		{"date_active", now},
		{"device_type", device.Type(client.Device())},
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
	if !wasLive {
		set, anew = append(set, anew...), nil
	}
	if err := write(ctx, tx, "auth_users", []column{{"auth_key_id", perm}, {"user_id", userID}}, set, anew); err != nil {
		return nil, err
	}
	stored, err := d.records(ctx, tx, "u.auth_key_id = ? AND u.user_id = ?", perm, userID)
	if err == nil && len(stored) == 0 {
		err = sql.ErrNoRows // it was written just now
	}
	if err != nil {
		return nil, err
	}
	if err := d.storePlace(ctx, tx, perm, stored[0].Client.IP); err != nil || wasLive {
		return &stored[0], err
	}
	return &stored[0], d.appendEvents(ctx, tx, events.Event{Type: events.Created, At: d.now(), Session: stored[0].snapshot(), Actor: UserActor(userID)})
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
// stay, now that this sign-in is complete. The user is locked.
func (d *Dao) complete(ctx context.Context, tx sqlx.Session, hold holder, policy Policy, perm, userID int64) (done Completed, err error) {
	live, err := d.liveOf(ctx, tx, userID)
	if err != nil {
		return Completed{}, err
	}
	i := slices.IndexFunc(live, func(r Record) bool { return r.AuthKeyID == perm })
	if i < 0 {
		return Completed{}, nil
	}
	done.Ended, err = d.end(ctx, tx, hold, d.surplus(policy, live, perm, live[i].DeviceType), ending{why: ConcurrentLogin, by: By{Actor: UserActor(userID)}})
	if err != nil {
		return Completed{}, err
	}
	done.Begun = begun(&live[i], live, done.Ended)
	return done, nil
}
