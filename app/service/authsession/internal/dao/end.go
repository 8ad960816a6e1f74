package dao

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// endBatch is how many logins end in one transaction.
const endBatch = 500

// Widths of what is kept of who ended a login, in characters.
const (
	widthActor  = 64
	widthNote   = 200
	widthTicket = 64
)

// By is who ends logins, and what they say of it. Its texts are cut to their
// columns: 64, 200 and 64 characters.
type By struct {
	Actor  string
	Note   string // why, in their own words
	Ticket string // in which it was asked for
}

func (b By) cut() By {
	return By{device.Text(b.Actor, widthActor), device.Text(b.Note, widthNote), device.Text(b.Ticket, widthTicket)}
}

// Ended is a login that a call ended.
type Ended struct {
	Record
	TempKeyIDs []int64 // bound to its key, media temp keys too
}

// End ends those of the logins that are live, and returns them. After an error
// it returns those that have ended all the same, and with ErrUnknown there may be
// more. Copies of all of them leave the cache, of those too that had ended
// before: so whatever a copy says, ending its login again puts it right.
func (d *Dao) End(ctx context.Context, list []Record, why logins.Reason, by By) (ended []Ended, err error) {
	return d.endBatches(ctx, facts(list), ending{why: why, by: by}, func() bool { return true })
}

// endBatches is End for any way of ending; before each batch it asks whether to go on.
func (d *Dao) endBatches(ctx context.Context, list []logins.Login, how ending, goOn func() bool) (ended []Ended, err error) {
	var untold []*lease.Untold
	defer func() { // for all batches at once
		for _, u := range untold {
			u.Wait(ctx)
		}
	}()
	for batch := range slices.Chunk(list, endBatch) {
		if !goOn() {
			break
		}
		ids, perms := make([]int64, len(batch)), make([]int64, len(batch))
		for i, r := range batch {
			ids[i], perms[i] = r.ID, r.AuthKeyID
		}
		var done []Ended
		u, err := d.changeAhead(ctx, func(ctx context.Context, tx *Tx) error {
			if err := tx.Invalidate(ctx, cacheKeys(dataCacheKey, perms)...); err != nil {
				return err
			}
			done = nil
			if how.goOn != nil {
				if err := how.goOn(ctx, tx); err != nil {
					return err
				}
			}
			done, err = d.end(ctx, tx, ids, how)
			return err
		})
		untold = append(untold, u)
		if errors.Is(err, errNoMore) {
			break
		}
		if err != nil {
			return ended, fmt.Errorf("ending sessions: %w", err)
		}
		ended = append(ended, done...)
	}
	return ended, nil
}

// ending is how logins end.
type ending struct {
	why logins.Reason
	by  By
	// decide, when set, says why a login that was read under lock ends; Live: it
	// does not.
	decide func(*logins.Login) logins.Reason
	// goOn, when set, is asked in the transaction of each batch, before it reads what it is to
	// end. errNoMore: nothing is to end any more.
	goOn func(ctx context.Context, tx *Tx) error
}

// errNoMore ends a transaction in which there is nothing to do any more, and the batches after
// it. It is an error so that what the transaction has written to find out goes, too: the row of
// settings with which a user is locked would outlive the user, where they were erased meanwhile.
var errNoMore = errors.New("nothing is to end any more")

// lockedRow is what may change while a login is not locked.
type lockedRow struct {
	ID         int64 `db:"id"`
	DateActive int64 `db:"date_active"`
}

// end marks those of the logins that are live as ended, keeping their dates,
// and writes their events. A second factor that they owed is no longer owed: a later
// sign-in on the key says anew whether it owes one.
func (d *Dao) end(ctx context.Context, tx *Tx, ids []int64, how ending) (ended []Ended, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var locked []lockedRow
	err = tx.QueryRowsCtx(ctx, &locked, "SELECT id, date_active FROM auth_users WHERE id IN ("+placeholders(len(ids))+
		") AND deleted = 0 ORDER BY id FOR UPDATE", anys(ids)...)
	if err != nil || len(locked) == 0 {
		return nil, err
	}
	active := make(map[int64]int64, len(locked))
	for _, r := range locked {
		active[r.ID] = r.DateActive
	}
	rows, err := d.records(ctx, tx, "u.id IN ("+placeholders(len(ids))+") ORDER BY u.id", anys(ids)...)
	if err != nil {
		return nil, err
	}
	now, by := d.Now(), how.by.cut()
	byReason := map[logins.Reason][]Record{}
	var stale []string
	for _, r := range rows {
		dateActive, live := active[r.ID]
		if !live {
			continue
		}
		r.Used(dateActive)                      // since this transaction began to read, maybe
		addresses := addressText(r.Addresses()) // with the one of now, which the device's row alone has
		r.Reason = how.why
		if how.decide != nil {
			if r.Reason = how.decide(&r.Login); r.Reason == logins.Live {
				continue
			}
		}
		r.RevokedAt, r.RevokedBy, r.RevokeNote, r.RevokeTicket = now, by.Actor, by.Note, by.Ticket
		r.Unconfirmed, r.addresses = false, addresses
		stale = append(stale, dataCacheKey(r.AuthKeyID))
		byReason[r.Reason] = append(byReason[r.Reason], r)
		ended = append(ended, Ended{Record: r})
	}
	if err := tx.Invalidate(ctx, stale...); err != nil {
		return nil, err
	}
	for why, list := range byReason {
		ids, args := make([]any, len(list)), []any{now, int64(why), by.Actor, by.Note, by.Ticket}
		for i, r := range list {
			ids[i] = r.ID
			args = append(args, r.ID, r.addresses)
		}
		_, err := tx.ExecCtx(ctx, "UPDATE auth_users SET deleted = 1, revoked_at = ?, revoke_reason = ?, revoked_by = ?, revoke_note = ?, revoke_ticket = ?, unconfirmed_until = 0,"+
			" addresses = CASE id"+strings.Repeat(" WHEN ? THEN ?", len(list))+" END WHERE id IN ("+placeholders(len(list))+")", append(args, ids...)...)
		if err != nil {
			return nil, err
		}
	}
	if err := endMarks(ctx, tx, ended); err != nil {
		return nil, err
	}
	if err := d.nameTempKeys(ctx, tx, ended); err != nil {
		return nil, err
	}
	return ended, d.appendEvents(ctx, tx, d.endEvents(ended)...)
}

// nameTempKeys notes the temp keys of ended logins.
func (d *Dao) nameTempKeys(ctx context.Context, tx sqlx.Session, ended []Ended) error {
	if len(ended) == 0 {
		return nil
	}
	perms := make([]int64, len(ended))
	for i, e := range ended {
		perms[i] = e.AuthKeyID
	}
	var rows []bindRow
	err := tx.QueryRowsCtx(ctx, &rows, "SELECT auth_key_id, auth_key_type, perm_auth_key_id FROM auth_key_infos WHERE perm_auth_key_id IN ("+
		placeholders(len(perms))+") AND auth_key_id <> perm_auth_key_id ORDER BY auth_key_id", anys(perms)...)
	if err != nil {
		return err
	}
	for i := range ended {
		for _, r := range rows {
			if r.Perm == ended[i].AuthKeyID {
				ended[i].TempKeyIDs = append(ended[i].TempKeyIDs, r.ID)
			}
		}
	}
	return nil
}

func (d *Dao) endEvents(ended []Ended) []events.Event {
	list := make([]events.Event, len(ended))
	for i := range ended {
		e := &ended[i].Record
		kind := events.Revoked
		if e.Reason.ByIdleness() {
			kind = events.Expired
		}
		list[i] = events.Event{Type: kind, At: d.now(), Session: e.snapshot(), Reason: e.Reason.String(), Actor: e.RevokedBy}
	}
	return list
}
