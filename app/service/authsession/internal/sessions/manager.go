package sessions

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/revocation"
)

// Manager is the session manager. Its methods may be called from any
// goroutine.
type Manager struct {
	dao   *dao.Dao
	nodes *revocation.Notifier
}

// List returns a page of the sessions that f selects, the latest first, and
// the token of the next page, empty after the last. A page may be shorter than
// asked for, even empty, with pages after it: every page costs the same,
// however rare what f selects.
func (m *Manager) List(ctx context.Context, f Filter, p Page) (list []Session, next string, err error) {
	return nil, "", nil
}

// Get returns the session with the given hash, live or ended.
func (m *Manager) Get(ctx context.Context, hash int64) (Session, error) {
	return Session{}, ErrNotFound
}

// FindByKey returns the live session on a perm key, or on that which a temp
// key is bound to.
func (m *Manager) FindByKey(ctx context.Context, authKeyID int64) (Session, error) {
	return Session{}, ErrNotFound
}

// Revoke ends the live sessions that s selects and returns them. A session
// that has ended already is none of them and no error; a hash that never was
// one is ErrNotFound. When Revoke returns, the caches are clean and the session
// nodes were told.
func (m *Manager) Revoke(ctx context.Context, s Selection, by By) ([]Revoked, error) {
	return nil, nil
}

// RevokeInactive ends up to limit sessions that nobody has used for olderThan,
// or, where their user has a TTL, for that. It returns how many, and whether
// there may be more. A dry run only counts.
func (m *Manager) RevokeInactive(ctx context.Context, olderThan time.Duration, limit int, dryRun bool, by By) (n int, more bool, err error) {
	return 0, false, nil
}

// Policy returns what a user's own settings are; zero members are as
// configured for all.
func (m *Manager) Policy(ctx context.Context, userID int64) (Policy, error) { return Policy{}, nil }

// SetPolicy replaces a user's own settings. A strategy governs sign-ins from
// then on; a TTL counts at once.
func (m *Manager) SetPolicy(ctx context.Context, userID int64, p Policy) error { return nil }

// Statistics counts all sessions. It reads an index from end to end.
func (m *Manager) Statistics(ctx context.Context) (Statistics, error) { return Statistics{}, nil }

// New returns a manager of the logins in d that tells nodes of those it ends.
func New(d *dao.Dao, nodes *revocation.Notifier) *Manager {
	return &Manager{dao: d, nodes: nodes}
}
