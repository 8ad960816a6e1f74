package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// MatchScan goes through the live logins that a match fits, of some users or of all,
// in windows, none of which takes long. One goroutine uses it.
type MatchScan struct {
	d     *Dao
	match Match
	users []int64 // sorted; none: all
	at    MatchPosition
	over  bool
}

// MatchPosition is a place in such a scan: the last row that was looked at, and,
// where the scan goes by users, its user. Its zero value is the beginning.
type MatchPosition struct{ UserID, ID int64 }

// ScanMatch begins a scan after a position.
func (d *Dao) ScanMatch(m Match, users []int64, after MatchPosition) *MatchScan {
	users = slices.Clone(users)
	slices.Sort(users)
	return &MatchScan{d: d, match: m, users: slices.Compact(users), at: after}
}

// Position is as far as the scan has come.
func (s *MatchScan) Position() MatchPosition { return s.at }

// Over reports whether all was looked at.
func (s *MatchScan) Over() bool { return s.over }

// Next looks at the next window and returns up to limit records that fit, and how
// many rows it has looked at.
func (s *MatchScan) Next(ctx context.Context, limit int) (list []Record, examined int, err error) {
	if len(s.users) > 0 {
		return s.nextOfUsers(ctx, limit)
	}
	var end int64
	err = s.d.conn.QueryRowCtx(ctx, &end, "SELECT id FROM auth_users FORCE INDEX (`PRIMARY`) WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?", s.at.ID, windowRows-1)
	last := errors.Is(err, sql.ErrNoRows)
	if err != nil && !last {
		return nil, 0, fmt.Errorf("sessions: %w", err)
	}
	filter, args := s.match.where(current)
	where := "u.deleted = 0 AND u.id > ?"
	args = append(args, s.at.ID)
	if !last {
		where, args = where+" AND u.id <= ?", append(args, end)
	}
	found, err := s.d.recordsOf(ctx, s.d.conn, "SELECT "+recordColumns+" FROM auth_users u FORCE INDEX (`PRIMARY`)"+recordJoins+
		" WHERE "+filter+where+" ORDER BY u.id LIMIT ?", append(args, windowRows)...)
	if err != nil {
		return nil, 0, err
	}
	for i := range found {
		if !s.match.fits(&found[i]) {
			continue
		}
		if len(list) == limit {
			return list, windowRows, nil
		}
		list = append(list, found[i])
		s.at.ID = found[i].ID
	}
	if s.over = last; !last {
		s.at.ID = end
	}
	return list, windowRows, nil
}

// AnyNumber is a limit that no window reaches.
const AnyNumber = windowRows + 1

// usersEach is how many users a statement is for.
const usersEach = 100

func (s *MatchScan) nextOfUsers(ctx context.Context, limit int) (list []Record, examined int, err error) {
	from, _ := slices.BinarySearch(s.users, s.at.UserID)
	users := s.users[from:min(len(s.users), from+usersEach)]
	if len(users) == 0 {
		s.over = true
		return nil, 0, nil
	}
	filter, args := s.match.where(current)
	args = append(append(args, anys(users)...), s.at.UserID, s.at.ID, windowRows)
	found, err := s.d.recordsOf(ctx, s.d.conn, "SELECT "+recordColumns+" FROM auth_users u FORCE INDEX (idx_user_deleted)"+recordJoins+
		" WHERE "+filter+"u.user_id IN ("+placeholders(len(users))+") AND u.deleted = 0 AND (u.user_id <> ? OR u.id > ?) ORDER BY u.user_id, u.id LIMIT ?", args...)
	if err != nil {
		return nil, 0, err
	}
	for i := range found {
		if !s.match.fits(&found[i]) {
			continue
		}
		if len(list) == limit {
			return list, len(found), nil
		}
		list = append(list, found[i])
		s.at = MatchPosition{found[i].UserID, found[i].ID}
	}
	switch {
	case len(found) == windowRows:
		s.at = MatchPosition{found[windowRows-1].UserID, found[windowRows-1].ID}
	case from+len(users) == len(s.users):
		s.over = true
	default:
		s.at = MatchPosition{UserID: s.users[from+len(users)]}
	}
	return list, len(found), nil
}
