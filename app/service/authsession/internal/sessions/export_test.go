package sessions

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// SetWindow makes a revocation read fewer sessions at a time.
func (m *Manager) SetWindow(rows int) { m.window = rows }

// Parts calls use with each part of what s selects.
func (m *Manager) Parts(ctx context.Context, s Selection, use func([]dao.Record) error) error {
	return m.parts(ctx, s, use)
}
