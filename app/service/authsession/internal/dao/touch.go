package dao

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// Touch is a sign of life of a perm key.
type Touch struct {
	AuthKeyID  int64
	DateActive int64  // Unix seconds
	IP         string // empty: unchanged
}

// touchBatch keeps the statements small.
const touchBatch = 200

// Touch stores when keys were last active and from where, never moving a date
// back, and returns those of them that nobody is logged in on.
func (d *Dao) Touch(ctx context.Context, touches []Touch) (revoked []int64, err error) {
	// Sorted, so that two batches lock their rows in one order.
	touches = slices.Clone(touches)
	slices.SortFunc(touches, func(a, b Touch) int {
		return cmp.Or(cmp.Compare(a.AuthKeyID, b.AuthKeyID), cmp.Compare(b.DateActive, a.DateActive))
	})
	touches = slices.CompactFunc(touches, func(a, b Touch) bool { return a.AuthKeyID == b.AuthKeyID })
	for batch := range slices.Chunk(touches, touchBatch) {
		gone, err := d.touchBatch(ctx, batch)
		if err != nil {
			return nil, err
		}
		revoked = append(revoked, gone...)
	}
	return revoked, nil
}

func (d *Dao) touchBatch(ctx context.Context, batch []Touch) (revoked []int64, err error) {
	ids := make([]int64, len(batch))
	var dates, ips strings.Builder
	var dateArgs, ipArgs []any
	for i, t := range batch {
		ids[i] = t.AuthKeyID
		dates.WriteString(" WHEN ? THEN ?")
		dateArgs = append(dateArgs, t.AuthKeyID, t.DateActive)
	}
	err = d.cache.Change(ctx, func(hold func(...string)) error {
		return d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
			in := "(" + placeholders(len(ids)) + ")"
			var live []int64
			if err := tx.QueryRowsCtx(ctx, &live, "SELECT DISTINCT auth_key_id FROM auth_users WHERE auth_key_id IN "+in+" AND deleted = 0", anys(ids)...); err != nil {
				return err
			}
			revoked = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return slices.Contains(live, id) })
			if len(live) == 0 {
				return nil
			}
			_, err := tx.ExecCtx(ctx, "UPDATE auth_users SET date_active = GREATEST(date_active, CASE auth_key_id"+dates.String()+
				" ELSE date_active END) WHERE auth_key_id IN "+in+" AND deleted = 0", append(slices.Clone(dateArgs), anys(ids)...)...)
			if err != nil {
				return err
			}
			moved, err := d.moved(ctx, tx, batch, live)
			if err != nil || len(moved) == 0 {
				return err
			}
			ips.Reset()
			ipArgs = ipArgs[:0]
			movedIDs := make([]int64, len(moved))
			for i, t := range moved {
				hold(dataCacheKey(t.AuthKeyID))
				ips.WriteString(" WHEN ? THEN ?")
				ipArgs = append(ipArgs, t.AuthKeyID, t.IP)
				movedIDs[i] = t.AuthKeyID
			}
			_, err = tx.ExecCtx(ctx, "UPDATE auths SET client_ip = CASE auth_key_id"+ips.String()+
				" ELSE client_ip END WHERE auth_key_id IN ("+placeholders(len(moved))+")", append(ipArgs, anys(movedIDs)...)...)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// moved returns the touches of live keys whose address is not the stored one.
func (d *Dao) moved(ctx context.Context, tx sqlx.Session, batch []Touch, live []int64) ([]Touch, error) {
	batch = slices.DeleteFunc(slices.Clone(batch), func(t Touch) bool { return t.IP == "" || !slices.Contains(live, t.AuthKeyID) })
	if len(batch) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(batch))
	for i, t := range batch {
		ids[i] = t.AuthKeyID
	}
	var rows []struct {
		AuthKeyID int64  `db:"auth_key_id"`
		IP        string `db:"client_ip"`
	}
	err := tx.QueryRowsCtx(ctx, &rows, "SELECT auth_key_id, client_ip FROM auths WHERE auth_key_id IN ("+placeholders(len(ids))+")", anys(ids)...)
	if err != nil {
		return nil, err
	}
	stored := make(map[int64]string, len(rows))
	for _, r := range rows {
		stored[r.AuthKeyID] = r.IP
	}
	return slices.DeleteFunc(batch, func(t Touch) bool {
		ip, known := stored[t.AuthKeyID]
		return !known || ip == t.IP
	}), nil
}
