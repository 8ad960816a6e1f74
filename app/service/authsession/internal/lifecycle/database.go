// Package lifecycle brings what the service stands on into being, and keeps it
// tidy.
package lifecycle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

// OpenDatabase returns a pool on a database whose schema is up to date:
// migrated first when Mysql.Migrate says so, looked at otherwise. It waits for a
// server that does not answer yet (Mysql.StartTimeout). On an empty database the
// tables of a stock install are made, with a warning.
func OpenDatabase(ctx context.Context, c config.Config) (*sql.DB, error) {
	if c.Mysql.Migrate {
		if err := migrateAtStart(ctx, c); err != nil {
			return nil, err
		}
	}
	db, err := dao.AwaitMysql(ctx, c.Mysql, false, waiting(c))
	if err != nil || c.Mysql.Migrate {
		return db, err
	}
	if err := schema.Check(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("the schema of the database is not up to date: %w: run authsession -migrate or set Mysql.Migrate to true", err)
	}
	return db, nil
}

// waiting tells the operator what a start waits for.
func waiting(c config.Config) func(error) {
	return func(err error) {
		rpcserver.Warn(program, c.Log, fmt.Sprintf("waiting up to %v (Mysql.StartTimeout): %v", c.Mysql.StartTimeout, err))
	}
}

const program = "authsession"

// migrateAtStart is Migrate for a service that has to serve, also on an empty
// database.
func migrateAtStart(ctx context.Context, c config.Config) error {
	_, err := Migrate(ctx, c, false)
	var none *schema.NoStockTablesError
	if !errors.As(err, &none) {
		return err
	}
	if _, err := Migrate(ctx, c, true); err != nil {
		return err
	}
	rpcserver.Warn(program, c.Log, none.Made())
	return nil
}

// Migrate applies what is missing of the schema, and logs and returns it. With
// create it makes the tables of a stock install where there is none of them.
func Migrate(ctx context.Context, c config.Config, create bool) ([]schema.Applied, error) {
	return change(ctx, c, "applied", func(ctx context.Context, db *sql.DB) ([]schema.Applied, error) {
		return schema.Migrate(ctx, db, create, locked(c))
	})
}

// Unmigrate takes the schema back to that of a stock install: with force also
// while nodes of ours serve.
func Unmigrate(ctx context.Context, c config.Config, force bool) ([]schema.Applied, error) {
	if !force {
		if err := noneOfOurs(ctx, c.Etcd); err != nil {
			return nil, err
		}
	}
	return change(ctx, c, "taken back", func(ctx context.Context, db *sql.DB) ([]schema.Applied, error) {
		return schema.Unmigrate(ctx, db, locked(c))
	})
}

// locked tells the operator whom a migration waits for.
func locked(c config.Config) func(string) {
	return func(text string) { rpcserver.Warn(program, c.Log, "schema migration: "+text) }
}

// Due returns the statements that bring the tables up to date, and runs none.
func Due(ctx context.Context, c config.Config) ([]string, error) {
	db, err := dao.AwaitMysql(ctx, c.Mysql, true, waiting(c))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return schema.Due(ctx, db)
}

func change(ctx context.Context, c config.Config, done string, run func(context.Context, *sql.DB) ([]schema.Applied, error)) ([]schema.Applied, error) {
	c.Mysql.Active, c.Mysql.Idle = max(c.Mysql.Active, 3), 0 // goose's lock keeps a connection of its own busy
	db, err := dao.AwaitMysql(ctx, c.Mysql, true, waiting(c))
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
