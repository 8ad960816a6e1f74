package sessions

import (
	"context"
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// Destroy removes a key and returns what went: the key and, with a perm key, its temp keys. The
// session on a perm key ends, and its session node is told, but not that of the key answerTo. A
// key that is not there is no error and nothing goes: but whoever has not heard that it was
// destroyed before looks again.
func (m *Manager) Destroy(ctx context.Context, authKeyID, answerTo int64) (keyIDs []int64, err error) {
	// A key of an old install is moved to where it can be destroyed.
	if _, err := m.dao.Key(ctx, authKeyID); err != nil && !errors.Is(err, dao.ErrNotFound) {
		return nil, err
	}
	gone, err := m.dao.DestroyKey(ctx, authKeyID)
	if err != nil {
		return nil, err
	}
	switch {
	case authKeyID == answerTo:
	case gone.Perm:
		m.nodes.Tell(ctx, gone.UserID, []int64{authKeyID})
	case len(gone.KeyIDs) == 0:
		m.nodes.LookAgain(ctx, map[int64][]int64{0: {authKeyID}})
	}
	return gone.KeyIDs, nil
}
