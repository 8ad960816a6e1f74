package svc

import (
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Pool is the pool of connections that Mysql describes.
func Pool(c config.Mysql) dao.Pool {
	return dao.Pool{DSN: c.DSN, Active: c.Active, Idle: c.Idle, IdleTimeout: c.IdleTimeout, StartTimeout: c.StartTimeout}
}

// Store is the store that a configuration describes.
func Store(c config.Config, now func() time.Time, sealer *keyseal.Sealer) dao.Options {
	return dao.Options{
		Cache: c.Cache, KV: c.KV, Rules: Rules(c), SaltWindow: c.Salts.Window(),
		Announces: c.Events.Enabled(), AnnouncesTouched: c.Events.Touched,
		Now: now, Sealer: sealer,
	}
}

// Rules are Sessions and Concurrency.
func Rules(c config.Config) logins.Rules {
	return logins.Rules{
		TTLDays:       int64(c.Sessions.TTLDays),
		ConfirmWithin: int64(c.Sessions.ConfirmWithin / time.Second),
		Strategy:      logins.Strategy(c.Concurrency.Strategy),
		Limit:         c.Concurrency.Limit,
		Total:         c.Concurrency.Total,
	}
}

// Events are the stream and the webhooks that Events describes.
func Events(c config.Events) events.Options {
	o := events.Options{Stream: c.Stream, MaxLen: c.MaxLen, Poll: c.Poll, Batch: c.Batch, Retain: c.Retain}
	for _, w := range c.Webhooks {
		o.Webhooks = append(o.Webhooks, events.Webhook{
			Name: w.Name, URL: w.URL, SecretFile: w.SecretFile, Secret: w.Secret, Types: w.Types, Timeout: w.Timeout,
			Attempts: w.Attempts, Backoff: w.Backoff, MaxBackoff: w.MaxBackoff, Parallel: w.Parallel, Queue: w.Queue,
		})
	}
	return o
}
