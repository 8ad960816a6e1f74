package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
)

// ActivePosition is a place in a list of live logins by when they were last active.
type ActivePosition struct{ Active, ID int64 }

// Beginnings of such lists.
var (
	MostActive  = ActivePosition{math.MaxInt64, math.MaxInt64}
	LeastActive = ActivePosition{-1, 0}
)

// ActivePage returns up to limit live logins after a position, the one active last
// first, or, where idle is set, the one idle longest first, and the position to
// continue after; nil at the end of the list. It looks at 40,000 rows at most, and
// returns what it has found by then.
func (d *Dao) ActivePage(ctx context.Context, w Wanted, idle bool, after ActivePosition, limit int) (list []Record, next *ActivePosition, err error) {
	live := true
	w.Live = &live
	index := "idx_deleted_active"
	if w.UserID != 0 {
		index = "idx_user_deleted_active"
	}
	order, past := " ORDER BY u.date_active DESC, u.id DESC", "(u.date_active < ? OR u.date_active = ? AND u.id < ?)"
	if idle {
		order, past = " ORDER BY u.date_active, u.id", "(u.date_active > ? OR u.date_active = ? AND u.id > ?)"
	}
	if keys, all, err := d.keysAt(ctx, w); err != nil {
		return nil, nil, err
	} else if all {
		list, more, err := d.onKeys(ctx, w, keys, past, []any{after.Active, after.Active, after.ID}, order, limit)
		if more {
			next = &ActivePosition{list[limit-1].dateActive, list[limit-1].ID}
		}
		return list, next, err
	}
	filter, filterArgs := w.where(current)
	for range maxWindows {
		args := []any{after.Active, after.Active, after.ID}
		where := past
		end, err := d.activeEnd(ctx, w.UserID, index, where+order, args)
		if err != nil {
			return nil, nil, err
		}
		if end != nil {
			where, args = where+" AND NOT "+past, append(args, end.Active, end.Active, end.ID)
		}
		most := limit + 1
		if !w.Match.Empty() || w.DeviceType != "" {
			most = max(most, matchRows)
		}
		query := "SELECT " + recordColumns + " FROM auth_users u FORCE INDEX (" + index + ")" + recordJoins + " WHERE " + filter + where + order + " LIMIT ?"
		page, err := d.recordsOf(ctx, d.conn, query, append(append(append([]any{}, filterArgs...), args...), most)...)
		if err != nil {
			return nil, nil, err
		}
		if len(page) == most {
			last := page[most-1]
			end = &ActivePosition{last.dateActive, last.ID}
		}
		list = append(list, w.fitting(page)...)
		if len(list) > limit {
			last := list[limit-1]
			return list[:limit], &ActivePosition{last.dateActive, last.ID}, nil
		}
		if end == nil {
			return list, nil, nil
		}
		after = *end
	}
	return list, &after, nil
}

// activeEnd is the last position of the window after a position; nil when the
// window reaches the end.
func (d *Dao) activeEnd(ctx context.Context, userID int64, index, past string, args []any) (*ActivePosition, error) {
	where := "u.deleted = 0 AND "
	if userID != 0 {
		where, args = "u.user_id = ? AND "+where, append([]any{userID}, args...)
	}
	var end struct {
		Active int64 `db:"date_active"`
		ID     int64 `db:"id"`
	}
	err := d.conn.QueryRowCtx(ctx, &end, "SELECT u.date_active, u.id FROM auth_users u FORCE INDEX ("+index+") WHERE "+where+past+" LIMIT 1 OFFSET ?",
		append(args, windowRows-1)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return &ActivePosition{end.Active, end.ID}, nil
}

// CountPage counts what Page lists, and reports whether there may be more: it looks
// at as many rows as a page does.
func (d *Dao) CountPage(ctx context.Context, w Wanted) (n int, more bool, err error) {
	list, next, err := d.Page(ctx, w, Top, countMost)
	return len(list), next != nil, err
}

// countMost is how far matches are counted: they are read.
const countMost = 10_000
