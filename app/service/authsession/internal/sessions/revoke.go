package sessions

import (
	"context"
	"slices"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// userWindow is how many live sessions of a user are read at a time, where all are.
const userWindow = 5000

// Revoke ends the live sessions that s selects, all of them, and returns them. A session
// that has ended already is none of them and no error, but its copies leave the
// caches again and its session node looks again, so that repeating a Revoke heals
// what the first did not reach. A hash that never was one is ErrNotFound. When
// Revoke returns, the caches are clean and the session nodes were told. After
// ErrUnknown they are told when MySQL has decided.
//
// Very many sessions end in parts. After an error those are returned that had ended
// before it; whoever calls it again goes on.
func (m *Manager) Revoke(ctx context.Context, s Selection, by By) (list []Revoked, err error) {
	err = m.revoke(ctx, s, by, func(ended []dao.Ended) { list = append(list, revoked(ended)...) })
	return list, err
}

// revoke is Revoke that says what has ended part by part.
func (m *Manager) revoke(ctx context.Context, s Selection, by By, done func([]dao.Ended)) error {
	ctx = dao.Deciding(ctx)
	end := func(named []dao.Record) error {
		ended, err := m.dao.End(ctx, named, by.Reason, by.who())
		m.tell(ctx, ended, by.AnswerTo)
		done(ended)
		if err == nil {
			m.remind(ctx, named, by.AnswerTo)
		}
		return err
	}
	if s.AtMost <= 0 {
		return m.parts(ctx, s, end)
	}
	named, err := m.selected(ctx, s) // before any of them ends
	if err != nil {
		return err
	}
	return end(named)
}

// Selected returns the live sessions that Revoke would end now, the one active last
// first.
func (m *Manager) Selected(ctx context.Context, s Selection) ([]Session, error) {
	named, err := m.selected(ctx, s)
	if err != nil {
		return nil, err
	}
	list := make([]Session, 0, len(named))
	for i := range named {
		if named[i].Reason == logins.Live {
			list = append(list, session(&named[i]))
		}
	}
	return list, nil
}

// remind makes session nodes look again at sessions that had ended before, but
// that of the key answerTo.
func (m *Manager) remind(ctx context.Context, named []dao.Record, answerTo int64) {
	users := map[int64][]int64{}
	for _, r := range named {
		if r.Reason != logins.Live && r.AuthKeyID != answerTo {
			users[r.UserID] = append(users[r.UserID], r.AuthKeyID)
		}
	}
	m.nodes.LookAgain(ctx, users)
}

// selected returns all that parts names, the one active last first. More live ones than
// s.AtMost are counted, not kept.
func (m *Manager) selected(ctx context.Context, s Selection) (named []dao.Record, err error) {
	live := 0
	err = m.parts(ctx, s, func(part []dao.Record) error {
		for i := range part {
			if part[i].Reason == logins.Live {
				live++
			}
		}
		if named = append(named, part...); s.AtMost > 0 && live > s.AtMost {
			named = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.AtMost > 0 && live > s.AtMost {
		return nil, &TooManyError{Count: live, AtMost: s.AtMost}
	}
	slices.SortFunc(named, newestFirst)
	return named, nil
}

func newestFirst(a, b dao.Record) int { return logins.NewestFirst(a.Login, b.Login) }

// parts hands the live sessions that s selects to use, part by part, and with the first and
// the last part those that it would select and that have ended lately, each once.
func (m *Manager) parts(ctx context.Context, s Selection, use func([]dao.Record) error) error {
	if s.Hash == 0 && s.UserID != 0 {
		return m.partsOfUser(ctx, s, use)
	}
	records, err := m.dao.WithHash(ctx, s.Hash)
	if s.UserID != 0 {
		records = slices.DeleteFunc(records, func(r dao.Record) bool { return r.UserID != s.UserID })
	}
	if err == nil && len(records) == 0 && s.Hash != 0 {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	slices.SortFunc(records, newestFirst)
	live, named := s.among(records)
	return use(append(named, live[min(len(live), max(s.KeepNewest, 0)):]...))
}

// partsOfUser is parts for the sessions of a user. They are read by their rows, which do
// not change their order while sessions are used and end. Those that stay for now are the
// newest of what was read: what newer ones push out cannot be among the newest of all.
func (m *Manager) partsOfUser(ctx context.Context, s Selection, use func([]dao.Record) error) error {
	var newest []dao.Record
	used := map[int64]bool{} // by their rows, of all parts but the last
	for after, more := int64(0), true; more; {
		records, err := m.dao.LiveAfter(ctx, s.UserID, after, m.window)
		if err != nil {
			return err
		}
		if more = len(records) == m.window; more {
			after = records[len(records)-1].ID
		}
		live, _ := s.among(records)
		newest = append(newest, live...)
		slices.SortFunc(newest, newestFirst)
		stay := min(len(newest), max(s.KeepNewest, 0))
		part := newest[stay:]
		// After the last live ones, and where many follow, before those have ended, too.
		if !more || len(used) == 0 {
			ended, err := m.lately(ctx, s, used)
			if err != nil {
				return err
			}
			part = append(ended, part...)
		}
		if more {
			for _, r := range part {
				used[r.ID] = true
			}
		}
		if err := use(part); err != nil {
			return err
		}
		newest = slices.Clone(newest[:stay])
	}
	return nil
}

// lately are the sessions of a user that s would select and that have ended lately, but those
// in used. It comes after live ones were read: what ends in between is among the ones or the
// others. There is a limit to how many it finds, which use may reach by itself.
func (m *Manager) lately(ctx context.Context, s Selection, used map[int64]bool) ([]dao.Record, error) {
	records, err := m.dao.LatelyEnded(ctx, s.UserID)
	if err != nil {
		return nil, err
	}
	_, ended := s.among(records)
	return slices.DeleteFunc(ended, func(r dao.Record) bool { return used[r.ID] }), nil
}

// among are those of records that s selects, apart from what KeepNewest says of them.
func (s *Selection) among(records []dao.Record) (live, ended []dao.Record) {
	for _, r := range records {
		switch {
		case s.AuthKeyID != 0 && r.AuthKeyID != s.AuthKeyID,
			s.DeviceType != "" && r.DeviceType != s.DeviceType,
			s.ExceptHash != 0 && r.Hash == s.ExceptHash,
			s.ExceptAuthKeyID != 0 && r.AuthKeyID == s.ExceptAuthKeyID:
		case r.Reason == logins.Live:
			live = append(live, r)
		default:
			ended = append(ended, r)
		}
	}
	return live, ended
}
