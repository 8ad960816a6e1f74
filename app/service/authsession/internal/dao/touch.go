package dao

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
)

// Touches is where signs of life go: to Redis, in the form
//
//	auth_seen_<perm>   "<seen> <claimed>", Unix seconds; two intervals
//
// and to MySQL.
type Touches struct{ d *Dao }

// Touches returns the store's end of package touch.
func (d *Dao) Touches() Touches { return Touches{d} }

// shareScript notes in Redis when a login was seen last, and chooses the node that writes
// it to MySQL. It returns the newest sign of life, and 1 when no node has claimed the write
// for an interval: then the calling node has claimed it, and writes. Else 0.
//
// A claim is the time of the node that made it. A node with a fast clock leaves one in the
// future, which would keep all others from writing until then. So a claim that lies more
// than an interval ahead of the caller's clock does not count.
//
// ARGV: seen and now in Unix seconds, the interval in seconds.
var shareScript = redisring.NewScript(`
local seen, claimed = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
seen, claimed = tonumber(seen) or 0, tonumber(claimed) or 0
local now, interval, write = tonumber(ARGV[2]), tonumber(ARGV[3]), 0
if claimed > now + interval then claimed = 0 end
seen = math.max(seen, tonumber(ARGV[1]))
if now - claimed >= interval then claimed, write = now, 1 end
redis.call('SET', KEYS[1], string.format('%d %d', seen, claimed), 'EX', 2 * interval)
return {seen, write}`)

// Share implements touch.Shared.
func (t Touches) Share(ctx context.Context, list []touch.Touch, interval time.Duration) ([]touch.Noted, error) {
	calls := make([]redisring.Call, len(list))
	for i, one := range list {
		calls[i] = redisring.Call{Keys: []string{"auth_seen_" + strconv.FormatInt(one.AuthKeyID, 10)}, Args: []any{one.Seen, t.d.Now(), int64(interval / time.Second)}}
	}
	results, errs := t.d.rings[0].RunEach(ctx, shareScript, calls)
	if err := redisring.First(errs); err != nil {
		return nil, fmt.Errorf("signs of life: %w", err)
	}
	notes := make([]touch.Noted, len(list))
	for i, result := range results {
		pair, _ := result.([]any)
		if len(pair) != 2 {
			return nil, fmt.Errorf("signs of life: Redis answers %T", result)
		}
		notes[i].Seen, _ = pair[0].(int64)
		notes[i].Write = pair[1] == int64(1)
	}
	return notes, nil
}

// Store implements touch.Store, with one UPDATE for all dates, and one for the
// addresses that are others than before. No date is later than the database's
// clock: it would stay for as long as this node's, or another one's, is fast.
func (t Touches) Store(ctx context.Context, list []touch.Touch) error {
	d := t.d
	latest, err := d.latest(ctx)
	if err != nil {
		return fmt.Errorf("signs of life: %w", err)
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].Seen = min(list[i].Seen, latest)
	}
	ids, dates := byKey(list, func(one touch.Touch) any { return one.Seen })
	in := "(" + placeholders(len(ids)) + ")"
	err = d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		result, err := tx.ExecCtx(ctx, "UPDATE auth_users SET date_active = GREATEST(date_active, CASE auth_key_id"+
			strings.Repeat(" WHEN ? THEN ?", len(ids))+" ELSE 0 END) WHERE auth_key_id IN "+in+" AND deleted = 0", append(dates, ids...)...)
		if err != nil {
			return err
		}
		if err := d.storeAddresses(ctx, tx, list); err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err != nil || changed == 0 || !d.announcesTouched {
			return err
		}
		touched, err := d.records(ctx, tx, "u.auth_key_id IN "+in+" AND u.deleted = 0 ORDER BY u.id", ids...)
		if err != nil {
			return err
		}
		told := make([]events.Event, len(touched))
		for i := range touched {
			told[i] = events.Event{Type: events.Touched, At: d.now(), Session: touched[i].snapshot()}
		}
		return d.appendEvents(ctx, tx, told...)
	})
	if err != nil {
		return fmt.Errorf("signs of life: %w", err)
	}
	return nil
}

// latest is the time of the store's clock. Where this host's clock is ahead of the
// database's, the difference is taken off.
func (d *Dao) latest(ctx context.Context) (int64, error) {
	var theirs int64
	if err := d.conn.QueryRowCtx(ctx, &theirs, "SELECT UNIX_TIMESTAMP()"); err != nil {
		return 0, err
	}
	return d.Now() - max(0, d.hostNow().Unix()-theirs), nil
}

// storeAddresses stores the addresses of live logins that have changed.
func (d *Dao) storeAddresses(ctx context.Context, tx *Tx, list []touch.Touch) error {
	list = slices.DeleteFunc(slices.Clone(list), func(one touch.Touch) bool { return one.IP == "" })
	if len(list) == 0 {
		return nil
	}
	ids, _ := byKey(list, func(touch.Touch) any { return nil })
	var rows []struct {
		AuthKeyID int64  `db:"auth_key_id"`
		IP        string `db:"client_ip"`
	}
	err := tx.QueryRowsCtx(ctx, &rows, "SELECT a.auth_key_id, a.client_ip FROM auths a JOIN auth_users u ON u.auth_key_id = a.auth_key_id AND u.deleted = 0"+
		" WHERE a.auth_key_id IN ("+placeholders(len(ids))+")", ids...)
	if err != nil {
		return err
	}
	stored := make(map[int64]string, len(rows))
	for _, r := range rows {
		stored[r.AuthKeyID] = r.IP
	}
	list = slices.DeleteFunc(list, func(one touch.Touch) bool {
		ip, live := stored[one.AuthKeyID]
		return !live || ip == one.IP
	})
	if len(list) == 0 {
		return nil
	}
	if err := d.noteMoves(ctx, tx, list); err != nil {
		return err
	}
	var sets, args []any
	for _, column := range []func(touch.Touch) any{
		func(one touch.Touch) any { return one.IP },
		func(one touch.Touch) any { country, _ := d.place(one.IP); return country },
		func(one touch.Touch) any { _, region := d.place(one.IP); return region },
	} {
		ids, args = byKey(list, column)
		sets = append(sets, args...)
	}
	keys := make([]string, len(list))
	for i, one := range list {
		keys[i] = dataCacheKey(one.AuthKeyID)
	}
	if err := tx.Invalidate(ctx, keys...); err != nil {
		return err
	}
	cases := "CASE auth_key_id" + strings.Repeat(" WHEN ? THEN ?", len(list)) + " END"
	_, err = tx.ExecCtx(ctx, "UPDATE auths SET client_ip = "+cases+", country = "+cases+", region = "+cases+
		" WHERE auth_key_id IN ("+placeholders(len(list))+")", append(sets, ids...)...)
	return err
}

// noteMoves keeps with live logins the addresses that they have come to. It comes
// before the devices' rows change.
func (d *Dao) noteMoves(ctx context.Context, tx sqlx.Session, list []touch.Touch) error {
	to := make(map[int64]touch.Touch, len(list))
	for _, one := range list {
		to[one.AuthKeyID] = one
	}
	keys, _ := byKey(list, func(touch.Touch) any { return nil })
	logins, err := d.records(ctx, tx, "u.auth_key_id IN ("+placeholders(len(keys))+") AND u.deleted = 0 ORDER BY u.id", keys...)
	if err != nil {
		return err
	}
	var ids, cases []any
	for i := range logins {
		one := to[logins[i].AuthKeyID]
		if addresses, changed := d.movedTo(&logins[i], one.IP, one.Seen); changed {
			ids = append(ids, logins[i].ID)
			cases = append(cases, logins[i].ID, addresses)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err = tx.ExecCtx(ctx, "UPDATE auth_users SET addresses = CASE id"+strings.Repeat(" WHEN ? THEN ?", len(ids))+" END WHERE id IN ("+
		placeholders(len(ids))+")", append(cases, ids...)...)
	return err
}

// byKey returns the keys, and the arguments of a CASE over them.
func byKey(list []touch.Touch, value func(touch.Touch) any) (ids, cases []any) {
	for _, one := range list {
		ids = append(ids, one.AuthKeyID)
		cases = append(cases, one.AuthKeyID, value(one))
	}
	return ids, cases
}
