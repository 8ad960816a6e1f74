package dao

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Wanted selects records; its zero value selects all.
type Wanted struct {
	UserID     int64
	DeviceType string
	APIID      int32
	Live       *bool // nil: both
	Match      Match
}

const (
	windowRows = 5000 // that a statement looks at
	maxWindows = 8    // that a page looks at, of each table
	matchRows  = 1000 // that a statement returns where not all of them may fit
)

// Position is a place in the list of all records: by when they signed in, the
// latest first, then those of auth_users before the history, then by their rows,
// the latest first. It is that of a record, and the next page begins after it.
type Position struct {
	SignedIn int64
	ID       int64
}

// Top is before all records.
var Top = Position{SignedIn: math.MaxInt64, ID: math.MaxInt64}

func positionOf(r *Record) Position { return Position{SignedIn: r.SignedIn, ID: r.ID} }

func (p Position) compare(other Position) int {
	byID := cmp.Compare(other.ID, p.ID)
	if p.ID < 0 && other.ID < 0 { // negative: the highest row first
		byID = -byID
	}
	return cmp.Or(cmp.Compare(other.SignedIn, p.SignedIn), byID)
}

// Page returns up to limit records after a position, in the order of the list, and
// the position to continue after; nil at the end of the list. It looks at 80,000
// rows at most, and returns what it has found by then.
func (d *Dao) Page(ctx context.Context, w Wanted, after Position, limit int) (list []Record, next *Position, err error) {
	if keys, all, err := d.keysAt(ctx, w); err != nil {
		return nil, nil, err
	} else if all {
		past, args := current.before(after)
		list, more, err := d.onKeys(ctx, w, keys, past, args, listOrder, limit)
		if more {
			last := positionOf(&list[limit-1])
			next = &last
		}
		return list, next, err
	}
	sources := []source{current}
	if w.Live == nil || !*w.Live {
		sources = append(sources, history)
	}
	var until *Position // as far as all sources were read; nil: to their ends
	for _, s := range sources {
		part, reached, err := d.scan(ctx, s, w, after, limit+1) // one more, to know whether there is
		if err != nil {
			return nil, nil, err
		}
		list = append(list, part...)
		if reached != nil && (until == nil || reached.compare(*until) < 0) {
			until = reached
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return positionOf(&a).compare(positionOf(&b)) })
	if until != nil {
		list = slices.DeleteFunc(list, func(r Record) bool { return positionOf(&r).compare(*until) > 0 })
	}
	if len(list) > limit {
		last := positionOf(&list[limit-1])
		return list[:limit], &last, nil
	}
	return list, until, nil
}

// firstLooks is how many records are looked at in one statement where one is wanted.
const firstLooks = 20

// First returns the first record of the list that w selects; ErrNotFound where there is none.
// That a server that only reads has none is no answer: one may have begun since, and a user
// who is logged in would pass for one who is not.
func (d *Dao) First(ctx context.Context, w Wanted) (Record, error) {
	ctx, server := askServer(ctx)
	for after := Top; ; {
		list, next, err := d.Page(ctx, w, after, firstLooks)
		switch {
		case err != nil:
			return Record{}, err
		case len(list) > 0:
			return list[0], nil
		case next == nil:
			return Record{}, orNotFound(server.lacks(0, nil))
		}
		after = *next // logins that a stock node did not classify were of another type
	}
}

// source is a table with records. Its rows are numbered from 1 on; sign makes them
// the IDs of records.
type source struct {
	columns, table string
	sign           int64
}

var (
	current = source{columns: recordColumns, table: "auth_users", sign: 1}
	history = source{columns: historyColumns, table: "auth_user_history", sign: -1}
)

// before is the SQL of what comes after a position in the list, and its arguments.
func (s source) before(p Position) (where string, args []any) {
	switch past := p.ID < 0; {
	case past == (s.sign < 0):
		return "(u.date_created < ? OR u.date_created = ? AND u.id < ?)", []any{p.SignedIn, p.SignedIn, s.sign * p.ID}
	case past:
		return "u.date_created < ?", []any{p.SignedIn}
	}
	return "u.date_created <= ?", []any{p.SignedIn}
}

const listOrder = " ORDER BY u.date_created DESC, u.id DESC"

// scan reads up to want records of a source after a position, and how far it came;
// nil: to the end.
func (d *Dao) scan(ctx context.Context, s source, w Wanted, after Position, want int) (list []Record, reached *Position, err error) {
	filter, filterArgs := w.where(s)
	for window := 0; window < maxWindows && len(list) < want; window++ {
		where, args := s.before(after)
		index := "idx_user_created"
		var end *Position
		if w.UserID == 0 {
			index = "idx_created"
			if end, err = d.windowEnd(ctx, s, after); err != nil {
				return nil, nil, err
			}
		}
		if end != nil {
			next, nextArgs := s.before(*end)
			where, args = where+" AND NOT "+next, append(args, nextArgs...)
		}
		query := "SELECT " + s.columns + " FROM " + s.table + " u FORCE INDEX (" + index + ")" + recordJoins + " WHERE " + filter + where + listOrder + " LIMIT ?"
		most := want
		if !w.Match.Empty() {
			most = max(want, matchRows)
		}
		page, err := d.recordsOf(ctx, d.conn, query, append(append(slices.Clone(filterArgs), args...), most)...)
		if err != nil {
			return nil, nil, err
		}
		reached = end
		if len(page) == most {
			last := positionOf(&page[most-1])
			reached = &last
		}
		list = append(list, w.fitting(page)...)
		if reached == nil {
			return list, nil, nil
		}
		after = *reached
	}
	return list, reached, nil
}

// windowEnd is the last position of the window after a position; nil when the
// window reaches the end.
func (d *Dao) windowEnd(ctx context.Context, s source, after Position) (*Position, error) {
	where, args := s.before(after)
	var end struct {
		SignedIn int64 `db:"date_created"`
		ID       int64 `db:"id"`
	}
	err := d.conn.QueryRowCtx(ctx, &end, "SELECT u.date_created, u.id FROM "+s.table+" u FORCE INDEX (idx_created) WHERE "+where+listOrder+" LIMIT 1 OFFSET ?",
		append(args, windowRows-1)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return &Position{SignedIn: end.SignedIn, ID: s.sign * end.ID}, nil
}

func (w *Wanted) where(s source) (where string, args []any) {
	if w.UserID != 0 {
		where, args = "u.user_id = ? AND ", append(args, w.UserID)
	}
	if w.Live != nil && s.sign > 0 {
		where, args = where+"u.deleted = ? AND ", append(args, !*w.Live)
	}
	if w.DeviceType != "" { // a stock node's rows have none
		where, args = where+"u.device_type IN (?, '') AND ", append(args, w.DeviceType)
	}
	if w.APIID != 0 {
		where, args = where+"a.api_id = ? AND ", append(args, w.APIID)
	}
	match, matchArgs := w.Match.where(s)
	return where + match, append(args, matchArgs...)
}

// Selects reports whether w selects a record, however that was read.
func (w *Wanted) Selects(r *Record) bool {
	return (w.UserID == 0 || r.UserID == w.UserID) &&
		(w.DeviceType == "" || r.DeviceType == w.DeviceType) &&
		(w.APIID == 0 || r.Client.APIID == w.APIID) &&
		(w.Live == nil || *w.Live == (r.Reason == logins.Live)) &&
		w.Match.fits(r)
}

// fitting are the records that w selects, of those that its SQL lets pass.
func (w *Wanted) fitting(page []Record) []Record {
	return slices.DeleteFunc(page, func(r Record) bool { return !w.Selects(&r) })
}
