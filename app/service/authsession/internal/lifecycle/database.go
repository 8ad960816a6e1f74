// Package lifecycle brings what the service stands on into being, and keeps it
// tidy.
package lifecycle

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

// Database is where the database is, and how an operator hears of what is done to it.
type Database struct {
	Pool    dao.Pool
	Migrate bool            // at a start
	Etcd    discov.EtcdConf // where nodes of ours are published
	Log     logx.LogConf
}

// OpenDatabase returns a pool on a database whose schema is up to date:
// migrated first when Mysql.Migrate says so, looked at otherwise. It waits for a
// server that does not answer yet (Mysql.StartTimeout). On an empty database the
// tables of a stock install are made, with a warning.
func OpenDatabase(ctx context.Context, c Database) (*sql.DB, error) {
	if c.Migrate {
		if err := migrateAtStart(ctx, c); err != nil {
			return nil, err
		}
	}
	db, err := dao.AwaitMysql(ctx, c.Pool, false, waiting(c))
	if err != nil || c.Migrate {
		return db, err
	}
	if err := schema.Check(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("the schema of the database is not up to date: %w: run authsession -migrate or set Mysql.Migrate to true", err)
	}
	return db, nil
}

// waiting tells the operator what a start waits for.
func waiting(c Database) func(error) {
	return func(err error) {
		rpcserver.Warn(program, c.Log, fmt.Sprintf("waiting up to %v (Mysql.StartTimeout): %v", c.Pool.StartTimeout, err))
	}
}

const program = "authsession"

// migrateAtStart is Migrate for a service that has to serve, also on an empty
// database.
func migrateAtStart(ctx context.Context, c Database) error {
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
func Migrate(ctx context.Context, c Database, create bool) ([]schema.Applied, error) {
	return change(ctx, c, "applied", func(ctx context.Context, db *sql.DB) ([]schema.Applied, error) {
		return schema.Migrate(ctx, db, create, locked(c))
	})
}

// Unmigrate takes the schema back to that of a stock install: with force also
// while nodes of ours serve.
func Unmigrate(ctx context.Context, c Database, force bool) ([]schema.Applied, error) {
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
func locked(c Database) func(string) {
	return func(text string) { rpcserver.Warn(program, c.Log, "schema migration: "+text) }
}

// Due returns the statements that bring the tables up to date, and runs none.
func Due(ctx context.Context, c Database) ([]string, error) {
	db, err := dao.AwaitMysql(ctx, c.Pool, true, waiting(c))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return schema.Due(ctx, db)
}

func change(ctx context.Context, c Database, done string, run func(context.Context, *sql.DB) ([]schema.Applied, error)) ([]schema.Applied, error) {
	c.Pool.Active, c.Pool.Idle = max(c.Pool.Active, 3), 0 // goose's lock keeps a connection of its own busy
	db, err := dao.AwaitMysql(ctx, c.Pool, true, waiting(c))
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
