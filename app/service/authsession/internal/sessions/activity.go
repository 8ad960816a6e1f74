package sessions

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

func (f Filter) wanted() dao.Wanted {
	return dao.Wanted{UserID: f.UserID, DeviceType: f.DeviceType, APIID: f.APIID, Live: f.Active, Match: f.Match.stored()}
}

// listByActivity is List of live sessions by when they were last active. A session
// that is used while the list is read may be on two pages or on none.
func (m *Manager) listByActivity(ctx context.Context, f Filter, p Page) (list []Session, next string, err error) {
	idle := p.Sort == ByIdleness
	start := dao.MostActive
	if idle {
		start = dao.LeastActive
	}
	if p.Token != "" {
		active, id, ok := unseal(p.Token, f.mark(p.Sort))
		if !ok || active < -1 || id < 0 {
			return nil, "", ErrBadToken
		}
		start = dao.ActivePosition{Active: active, ID: id}
	}
	size := p.Size
	if size <= 0 {
		size = DefaultPageSize
	}
	records, at, err := m.dao.ActivePage(ctx, f.wanted(), idle, start, min(size, MaxPageSize))
	if err != nil {
		return nil, "", err
	}
	list = make([]Session, len(records))
	for i := range records {
		list[i] = session(&records[i])
	}
	if at != nil {
		next = seal(at.Active, at.ID, f.mark(p.Sort))
	}
	return list, next, nil
}

// Count counts the sessions that f selects, up to 10,000, and reports whether there
// may be more.
func (m *Manager) Count(ctx context.Context, f Filter) (n int, more bool, err error) {
	return m.dao.CountPage(ctx, f.wanted())
}
