// Package svc holds what the handlers of all calls share.
package svc

import (
	"context"
	"database/sql"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/geoip"
)

// ServiceContext lives as long as the service; the handlers only read it.
type ServiceContext struct {
	Config config.Config
	Dao    *dao.Dao
	Geo    *geoip.Locator // nil: no place is known
}

// New opens the store on db, whose schema must be up to date, and the place
// database. Close ends both, and db.
func New(ctx context.Context, c config.Config, db *sql.DB, now func() time.Time) *ServiceContext {
	s := &ServiceContext{Config: c, Dao: dao.New(ctx, c, db, now)}
	if c.GeoIP.Path != "" {
		var err error
		if s.Geo, err = geoip.Open(c.GeoIP.Path); err != nil {
			logx.Errorf("config key GeoIP.Path: %s cannot be used, country and region stay empty: %v", c.GeoIP.Path, err)
		}
	}
	return s
}

// Close ends the store and the place database.
func (s *ServiceContext) Close() error {
	_ = s.Geo.Close()
	return s.Dao.Close()
}
