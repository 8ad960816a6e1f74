// Package svc holds what the handlers of all calls share.
package svc

import (
	"context"
	"database/sql"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/geoip"
	"github.com/tgsession/tgsession/app/service/authsession/internal/revocation"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
)

// ServiceContext lives as long as the service; the handlers only read it.
type ServiceContext struct {
	Config config.Config
	Dao    *dao.Dao
	Geo    *geoip.Locator // nil: no place is known
	// Nodes tells session nodes of ended logins; nil: nobody is told.
	Nodes *revocation.Notifier
	// Manager is the session manager.
	Manager *sessions.Manager
	// Touch takes signs of life of logins.
	Touch *touch.Recorder

	unmeasure func() // ends the metrics of the pool of connections
}

// New opens the store on db, whose schema must be up to date, and the place
// database, and follows the session nodes. Close ends all of them, and db; an
// error does, too.
func New(ctx context.Context, c config.Config, db *sql.DB, now func() time.Time) (*ServiceContext, error) {
	sealer, err := c.KeyEncryption.Sealer()
	if err != nil {
		db.Close()
		return nil, err
	}
	nodes, err := revocation.New(c.Nodes())
	if err != nil {
		db.Close()
		return nil, err
	}
	s := &ServiceContext{Config: c, Dao: dao.New(ctx, db, Store(c, now, sealer)), Nodes: nodes, unmeasure: measurePool(db)}
	s.Dao.OnLateRelease(func(perms []int64) { nodes.LookAgain(context.Background(), map[int64][]int64{0: perms}) })
	s.Manager = sessions.New(s.Dao, nodes, c.Sessions.AnnounceLogins)
	s.Touch = touch.New(s.Dao.Touches(), s.Dao.Touches(), touch.Options(c.Touch), now)
	if err := s.Dao.CheckSealed(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	if c.GeoIP.Path != "" {
		s.Geo = geoip.Follow(c.GeoIP.Path, max(c.GeoIP.ReloadInterval, time.Second))
	}
	s.Dao.UseLocator(s.Geo.Locate)
	return s, nil
}

// Close ends the store and what stands beside it.
func (s *ServiceContext) Close() error {
	s.Nodes.Close()
	s.Touch.Close() // writes, with places
	s.Geo.Close()
	s.unmeasure()
	return s.Dao.Close()
}
