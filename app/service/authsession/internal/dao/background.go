package dao

import (
	"context"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
)

// announce writes events in the transaction of their change, unless no stream
// is configured: then nobody would ever take them off their table.
func (d *Dao) announce(ctx context.Context, tx sqlx.Session, list ...events.Event) error {
	if !d.announces {
		return nil
	}
	return events.Append(ctx, tx, list...)
}

// StartHooks starts the webhooks; Stop each before Close.
func (d *Dao) StartHooks(c config.Events) []*events.Hook { return events.StartHooks(d.db, c) }

// StartRelay starts publishing what was announced; Stop it before Close.
func (d *Dao) StartRelay(c config.Events) *events.Relay { return events.StartRelay(d.db, d.kv, c) }

// Lock takes a lock of the database for a piece of background work; see
// package dblock.
func (d *Dao) Lock(ctx context.Context, name string) (*dblock.Lock, error) {
	return dblock.Take(ctx, d.db, name)
}
