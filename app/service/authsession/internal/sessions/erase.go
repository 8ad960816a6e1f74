package sessions

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// Erasure counts what was erased of a user, or would be.
type Erasure struct {
	LoggedOut int // sessions that were live
	Sessions  int // those too
	History   int // sessions that another one on their key has followed
	Devices   int
}

// eraseBatch is how many rows of a kind go in one transaction.
const eraseBatch = 500

// Erase ends all sessions of a user and then removes what there is of them: the
// sessions with their addresses, their history, the devices that they were used on,
// unless somebody else is logged in there, and the user's own settings. Events and
// session nodes are served as with Revoke. What cannot be found by its user stays
// for as long as it is kept: events that were written (Events.Retain), and the audit
// log. The keys stay as well, which are nobody's now.
//
// After an error it returns what was erased before it; whoever calls it again goes
// on. A session that begins meanwhile is not erased, so the user must not be able to
// sign in any more.
func (m *Manager) Erase(ctx context.Context, userID int64, by By) (done Erasure, err error) {
	err = m.revoke(ctx, Selection{UserID: userID}, by, func(ended []dao.Ended) { done.LoggedOut += len(ended) })
	if err != nil {
		return done, err
	}
	for {
		rows, err := m.dao.EraseBatch(ctx, userID, eraseBatch)
		if err != nil {
			return done, err
		}
		done.Sessions += rows.Logins
		done.History += rows.History
		done.Devices += rows.Devices
		if rows.Logins == 0 && rows.History == 0 {
			return done, m.dao.EraseSettings(ctx, userID)
		}
	}
}

// Erasable counts what Erase would do now.
func (m *Manager) Erasable(ctx context.Context, userID int64) (Erasure, error) {
	live, rows, err := m.dao.CountOf(ctx, userID)
	return Erasure{LoggedOut: live, Sessions: rows.Logins, History: rows.History, Devices: rows.Devices}, err
}
