package sessions

import (
	"cmp"
	"context"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/revocation"
)

// announce has other devices of a user ask whether a login is the user's.
func (m *Manager) announce(ctx context.Context, b *dao.Begun) {
	if !m.announces.Load() || b == nil {
		return
	}
	r := &b.Login
	app, _ := device.App(r.Client.Device())
	m.nodes.TellOthers(ctx, b.Others, revocation.NewLogin{
		Hash: r.Hash, Unconfirmed: true, SignedIn: r.SignedIn,
		Device: cmp.Or(r.Client.DeviceModel, app), Location: cmp.Or(r.Country, r.Client.IP),
	}, m.dao.Now())
}

// confirmed has them ask no longer. A device that did not hear of it asks until its
// user answers, or the login counts as confirmed by itself.
func (m *Manager) confirmed(ctx context.Context, userID, hash int64) {
	if !m.announces.Load() {
		return
	}
	others, err := m.dao.Others(ctx, userID, hash)
	if err != nil {
		logx.WithContext(ctx).Errorf("devices are not told that a login is confirmed: %v", err)
		return
	}
	m.nodes.TellOthers(ctx, others, revocation.NewLogin{Hash: hash}, m.dao.Now())
}
