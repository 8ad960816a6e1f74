package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const (
	lockName   = "authsession.events"
	stepBound  = 10 * time.Second // of one batch
	maxBackoff = 30 * time.Second
)

// Relay publishes the events that wait in MySQL, one node at a time.
//
// The transactions that take events off the table check that the lock is still
// the relay's. A relay that was replaced can still reach Redis: there the one
// that came after it has left its token, without which nothing is published.
type Relay struct {
	db   *sql.DB
	ring *redisring.Ring
	conf config.Events
	stop context.CancelFunc
	done chan struct{}
}

// StartRelay starts one on the table in db and the ring that the stream is on;
// Stop ends it. Nil, when there is no stream.
func StartRelay(db *sql.DB, ring *redisring.Ring, c config.Events) *Relay {
	if !c.Enabled() {
		return nil
	}
	logx.Infof("events: stream %s on Redis %s", c.Stream, ring.Node(c.Stream))
	ctx, stop := context.WithCancel(context.Background())
	r := &Relay{db: db, ring: ring, conf: c, stop: stop, done: make(chan struct{})}
	go r.loop(ctx)
	return r
}

// Stop ends the relay after the batch under way; what is not published waits
// for another. The channel is closed when nothing is under way any more.
func (r *Relay) Stop() (stopped <-chan struct{}) {
	if r == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	r.stop()
	return r.done
}

func (r *Relay) loop(ctx context.Context) {
	defer close(r.done)
	timer := time.NewTimer(rand.N(r.conf.Poll))
	defer timer.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := r.drain(ctx)
		switch {
		case err == nil && failures > 0:
			logx.Info("events: publishing again")
			fallthrough
		case err == nil:
			failures = 0
		case ctx.Err() != nil:
			return
		default:
			if failures++; failures == 1 {
				logx.Errorf("events wait in MySQL, none is lost: %v", err)
			}
		}
		timer.Reset(r.pause(failures))
	}
}

// pause is Poll, doubled with each failure in a row, ±20 %.
func (r *Relay) pause(failures int) time.Duration {
	d := r.conf.Poll
	for range failures {
		if d = 2 * d; d > maxBackoff {
			d = max(maxBackoff, r.conf.Poll)
			break
		}
	}
	return d - d/5 + rand.N(2*d/5+1)
}

// drain publishes what waits, unless another node is at it.
func (r *Relay) drain(ctx context.Context) error {
	waiting, err := r.waiting(ctx)
	if err != nil || !waiting {
		return err
	}
	lock, err := dblock.Take(ctx, r.db, lockName)
	if errors.Is(err, dblock.ErrTaken) {
		return nil
	}
	if err != nil {
		failed.Inc("mysql")
		return err
	}
	defer lock.Release()
	s, err := openStream(ctx, r.ring, r.conf.Stream, r.conf.MaxLen)
	if err == nil {
		// Replaced before it claimed the stream, it has shut the other one out:
		// that one claims it anew.
		if err = lock.Held(ctx); err != nil {
			err = stepError{err}
		}
	}
	for n := r.conf.Batch; err == nil && n == r.conf.Batch && ctx.Err() == nil; {
		// What has begun is finished, so that a stop repeats no event.
		n, err = r.step(lock.Fenced(context.WithoutCancel(ctx)), s)
	}
	switch {
	case errors.Is(err, errFenced), errors.Is(err, dblock.ErrTaken):
		failed.Inc("fenced")
		return nil // the other one goes on
	case errors.As(err, new(stepError)):
		failed.Inc("mysql")
	case err != nil:
		failed.Inc("redis")
	}
	return err
}

// waiting reports whether there are events to publish, and measures the lag.
func (r *Relay) waiting(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	var createdAt int64
	err := r.db.QueryRowContext(ctx, "SELECT created_at FROM session_events ORDER BY id LIMIT 1").Scan(&createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		lag.Set(0)
		return false, nil
	}
	if err != nil {
		if ctx.Err() == nil {
			failed.Inc("mysql")
		}
		return false, fmt.Errorf("session events: %w", err)
	}
	lag.Set(max(0, time.Since(time.UnixMilli(createdAt)).Seconds()))
	return true, nil
}

// row is an event that waits.
type row struct {
	ID                  int64
	EventID, Type, Body string
}

// stepError is a failure of MySQL.
type stepError struct{ error }

func (e stepError) Unwrap() error { return e.error }

// step publishes a batch and takes it off the table.
func (r *Relay) step(ctx context.Context, s *stream) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	// The change of a session is committed before the next one of it begins:
	// where an event is to be seen, the session's events before it are, too.
	list, err := oldest(ctx, r.db, r.conf.Batch)
	if err != nil {
		return 0, stepError{fmt.Errorf("session events: %w", err)}
	}
	if len(list) == 0 {
		return 0, nil
	}
	if err := s.publish(ctx, list); err != nil {
		return 0, err
	}
	ids := make([]any, len(list))
	for i, e := range list {
		ids[i] = e.ID
		published.Inc(e.Type)
	}
	err = sqlx.NewSqlConnFromDB(r.db).TransactCtx(ctx, func(ctx context.Context, tx sqlx.Session) error {
		if err := dblock.Check(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecCtx(ctx, "DELETE FROM session_events WHERE id IN (?"+strings.Repeat(",?", len(ids)-1)+")", ids...)
		return err
	})
	if err != nil {
		return 0, stepError{fmt.Errorf("session events: %d were published and will be again: %w", len(ids), err)}
	}
	return len(list), nil
}

func oldest(ctx context.Context, db *sql.DB, limit int) (list []row, err error) {
	rows, err := db.QueryContext(ctx, "SELECT id, event_id, type, body FROM session_events ORDER BY id LIMIT ?", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e row
		if err := rows.Scan(&e.ID, &e.EventID, &e.Type, &e.Body); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}
