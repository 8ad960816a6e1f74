package sessions

import (
	"context"
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// FindLast returns the session of f.UserID that began last, of those that f
// selects; ErrNotFound when there is none. A device is known by its type and its
// app: the model is what a device calls itself, it may change, and two devices of
// a user may have the same.
func (m *Manager) FindLast(ctx context.Context, f Filter) (Session, error) {
	if f.UserID == 0 { // all users' would be searched
		return Session{}, ErrNotFound
	}
	found, err := m.dao.First(ctx, f.wanted())
	switch {
	case errors.Is(err, dao.ErrNotFound):
		return Session{}, ErrNotFound
	case err != nil:
		return Session{}, err
	}
	return session(&found), nil
}

// Exists reports whether the session with a hash is live, and, unless userID is
// 0, that user's. One that has expired is live until it is ended, which its next
// use or the clean-up does.
func (m *Manager) Exists(ctx context.Context, hash, userID int64) (bool, error) {
	s, err := m.Get(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && s.Live() && (userID == 0 || s.UserID == userID), err
}

// ExistsOf reports whether f.UserID has a live session among those that f
// selects, whatever f.Active says.
func (m *Manager) ExistsOf(ctx context.Context, f Filter) (bool, error) {
	live := true
	f.Active = &live
	_, err := m.FindLast(ctx, f)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
