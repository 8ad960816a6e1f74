// Package lifecycle brings what the service stands on into being, and keeps it
// tidy.
package lifecycle

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

// OpenDatabase returns a pool on a database whose schema is up to date:
// migrated first when Mysql.Migrate says so, looked at otherwise.
func OpenDatabase(ctx context.Context, c config.Mysql) (*sql.DB, error) {
	if c.Migrate {
		if _, err := Migrate(ctx, c); err != nil {
			return nil, err
		}
	}
	db, err := dao.OpenMysql(ctx, c, false)
	if err != nil || c.Migrate {
		return db, err
	}
	if err := schema.Check(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("the schema is not up to date (%w): run authsession -migrate or set Mysql.Migrate to true", err)
	}
	return db, nil
}

// Migrate applies what is missing of the schema, and logs and returns it.
func Migrate(ctx context.Context, c config.Mysql) ([]schema.Applied, error) {
	return change(ctx, c, "applied", schema.Migrate)
}

// Unmigrate takes the schema back to that of a stock install.
func Unmigrate(ctx context.Context, c config.Mysql) ([]schema.Applied, error) {
	return change(ctx, c, "taken back", schema.Unmigrate)
}

func change(ctx context.Context, c config.Mysql, done string, run func(context.Context, *sql.DB) ([]schema.Applied, error)) ([]schema.Applied, error) {
	c.Active, c.Idle = max(c.Active, 3), 0 // goose's lock keeps a connection of its own busy
	db, err := dao.OpenMysql(ctx, c, true)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	list, err := run(ctx, db)
	for _, a := range list {
		logx.Infof("schema migration %s %s in %v", a.File, done, a.Took)
	}
	return list, err
}
