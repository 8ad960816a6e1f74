package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

const (
	lockName   = "authsession.events"
	stepBound  = 10 * time.Second // of one batch
	maxBackoff = 30 * time.Second
	maxChanges = 10 // of a stream, in one go
)

// relay publishes the events that wait in MySQL, one node at a time.
//
// The transactions that take events off the table (published_no) check that the lock
// is still the relay's. A relay that was replaced can still reach Redis: there the one
// that came after it has left its token, without which nothing is published.
type relay struct {
	db   *sql.DB
	ring *redisring.Ring
	conf Options

	pruned time.Time // when all published events that are old were last removed
}

// StartRelay starts one on the table in db and the ring that the stream is on. Stop ends it
// after the batch under way; what is not published waits for another. Nil, when there is no
// stream.
func StartRelay(db *sql.DB, ring *redisring.Ring, c Options) *worker.Worker {
	if !c.Enabled() {
		return nil
	}
	logx.Infof("events: stream %s on Redis %s", c.Stream, ring.Node(c.Stream))
	r := &relay{db: db, ring: ring, conf: c}
	return worker.Start(worker.Job{Name: "events", Spread: c.Poll, Every: c.Poll, JitterPct: 20, MaxBackoff: maxBackoff, Run: r.run})
}

// run publishes what waits, and removes now and then what was published long ago.
func (r *relay) run(ctx context.Context) error {
	err := r.drain(ctx)
	if err != nil {
		err = fmt.Errorf("not published yet, they wait in MySQL and none is lost: %w", err)
	}
	if ctx.Err() == nil && time.Since(r.pruned) >= pruneEvery {
		more, err := r.prune(ctx)
		if !more {
			r.pruned = time.Now()
		}
		if err != nil && ctx.Err() == nil {
			logx.Errorf("published events: %v", err)
		}
	}
	return err
}

// drain publishes what waits, unless another node is at it.
func (r *relay) drain(ctx context.Context) error {
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
	changes := 0
	for more := true; err == nil && more && ctx.Err() == nil; {
		// What has begun is finished, so that a stop repeats no event.
		more, err = r.step(lock.Fenced(context.WithoutCancel(ctx)), s)
		if errors.Is(err, errChanged) && changes < maxChanges {
			changes++
			more, err = true, nil
		}
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

// waiting reports whether there are events to publish, be it again, and measures
// the lag.
func (r *relay) waiting(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	var createdAt int64
	err := r.db.QueryRowContext(ctx, "SELECT created_at FROM session_events WHERE published_no = 0 ORDER BY id LIMIT 1").Scan(&createdAt)
	if errors.Is(err, sql.ErrNoRows) {
		lag.Set(0)
		return r.behind(ctx)
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

// behind reports whether the stream lacks what was published.
func (r *relay) behind(ctx context.Context) (bool, error) {
	last, err := lastBatch(ctx, r.db)
	if err != nil || last == 0 {
		return false, err
	}
	s := streamAt(r.ring, r.conf.Stream, r.conf.MaxLen)
	if err := s.claim(ctx, "look"); err != nil {
		if ctx.Err() == nil {
			failed.Inc("redis")
		}
		return false, err
	}
	return s.no < last, nil
}

// row is an event.
type row struct {
	ID                  int64
	EventID, Type, Body string
}

// stepError is a failure of MySQL.
type stepError struct{ error }

func (e stepError) Unwrap() error { return e.error }

// step publishes a batch that the stream lacks, or the next one of those that
// wait. More: there may be another.
func (r *relay) step(ctx context.Context, s *stream) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	last, err := lastBatch(ctx, r.db)
	if err != nil {
		return false, err
	}
	if s.no < last {
		return true, r.again(ctx, s)
	}
	// The change of a session is committed before the next one of it begins:
	// where an event is to be seen, the session's events before it are, too.
	list, err := oldest(ctx, r.db, r.conf.Batch)
	if err != nil || len(list) == 0 {
		return false, err
	}
	no := s.no + 1
	if err := s.publish(ctx, no, list); err != nil {
		return false, err
	}
	args := []any{no, time.Now().UnixMilli()}
	for _, e := range list {
		args = append(args, e.ID)
		published.Inc(e.Type)
	}
	err = sqlx.NewSqlConnFromDB(r.db).TransactCtx(ctx, func(ctx context.Context, tx sqlx.Session) error {
		if err := dblock.Check(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecCtx(ctx, "UPDATE session_events SET published_no = ?, published_at = ? WHERE id IN (?"+strings.Repeat(",?", len(list)-1)+")", args...)
		return err
	})
	if err != nil {
		return false, stepError{fmt.Errorf("session events: %d were published and will be again: %w", len(list), err)}
	}
	return len(list) == r.conf.Batch, nil
}

// again publishes the first batch that the stream lacks.
func (r *relay) again(ctx context.Context, s *stream) error {
	no, list, err := batchAfter(ctx, r.db, s.no)
	if err != nil {
		return err
	}
	if err := s.publish(ctx, no, list); err != nil {
		return err
	}
	repeated.Add(float64(len(list)))
	return nil
}

// lastBatch is the number of the last batch that was published; 0: none was.
func lastBatch(ctx context.Context, db *sql.DB) (no int64, err error) {
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(published_no), 0) FROM session_events").Scan(&no); err != nil {
		return 0, stepError{fmt.Errorf("session events: %w", err)}
	}
	return no, nil
}

// batchAfter returns the first batch after no that was published; sql.ErrNoRows where
// there is none.
func batchAfter(ctx context.Context, db *sql.DB, no int64) (next int64, list []row, err error) {
	err = db.QueryRowContext(ctx, "SELECT published_no FROM session_events WHERE published_no > ? ORDER BY published_no LIMIT 1", no).Scan(&next)
	if err != nil {
		return 0, nil, stepError{fmt.Errorf("session events: %w", err)}
	}
	list, err = events(ctx, db, "published_no = ? ORDER BY id", next)
	return next, list, err
}

// oldest are those events that have waited the longest.
func oldest(ctx context.Context, db *sql.DB, limit int) ([]row, error) {
	return events(ctx, db, "published_no = 0 ORDER BY id LIMIT ?", limit)
}

func events(ctx context.Context, db *sql.DB, where string, args ...any) (list []row, err error) {
	defer func() {
		if err != nil {
			err = stepError{fmt.Errorf("session events: %w", err)}
		}
	}()
	rows, err := db.QueryContext(ctx, "SELECT id, event_id, type, body FROM session_events WHERE "+where, args...)
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
