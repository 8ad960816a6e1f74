package events

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

const (
	hookLock   = "authsession.hook."
	heldEvery  = 10 * time.Second // a holder that is silent for a minute loses its lock
	busyPause  = 5 * time.Second  // until a node looks again whether a hook is free
	storeBound = 5 * time.Second
	raiseMost  = 100 // dead letters that are looked at in one go
)

// hook delivers the events that were published to a webhook, on one node at a time:
// each at least once, those of a user in their order, one after the other. It
// follows the batches of the relay, and keeps in MySQL which it has done with.
type hook struct {
	db    *sql.DB
	knows Knows
	poll  time.Duration
	send  *sender
}

// Knows reports whether anything is stored of a user, as a transaction sees it.
type Knows func(ctx context.Context, tx sqlx.Session, userID int64) (bool, error)

// StartHooks starts a worker for each webhook of c on the table in db. Stop ends it after the
// deliveries under way. What a webhook follows begins when it is first started. Of a user whom
// nobody knows no dead letter is kept.
func StartHooks(db *sql.DB, knows Knows, c Options) (hooks []*worker.Worker) {
	for _, w := range c.Webhooks {
		s, err := newSender(w)
		if err != nil {
			logx.Errorf("events: %v", err)
			continue
		}
		h := &hook{db: db, knows: knows, poll: c.Poll, send: s}
		hooks = append(hooks, worker.Start(worker.Job{Name: "webhook " + w.Name, Every: busyPause, Run: h.follow}))
	}
	return hooks
}

// follow delivers until ctx ends, or the hook is another node's.
func (h *hook) follow(ctx context.Context) error {
	lock, err := dblock.Take(ctx, h.db, hookLock+h.send.conf.Name)
	if errors.Is(err, dblock.ErrTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	defer h.send.client.CloseIdleConnections()
	err = h.deliver(lock.Fenced(ctx), lock)
	if errors.Is(err, dblock.ErrTaken) {
		return nil // the other one goes on
	}
	return err
}

// deliver does what follow is for, under a lock that ctx has the token of.
func (h *hook) deliver(ctx context.Context, lock *dblock.Lock) (err error) {
	at, err := h.position(ctx)
	if err != nil {
		return err
	}
	run := &hookRun{hook: h, queue: newQueue(at), results: make(chan result, h.send.conf.Parallel), stored: at, raised: map[string]bool{}}
	defer func() { run.end(context.WithoutCancel(ctx), err) }()
	held := time.Now()
	for {
		next, err := run.turn(ctx)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if time.Since(held) >= heldEvery {
			if err := lock.Held(ctx); err != nil {
				return err
			}
			held = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case r := <-run.results:
			if err := run.settle(ctx, r); err != nil {
				return err
			}
		case <-time.After(max(0, time.Until(next))):
		}
	}
}

// position is the batch that the hook has done with last.
func (h *hook) position(ctx context.Context) (no int64, err error) {
	last, err := lastBatch(ctx, h.db)
	if err != nil {
		return 0, err
	}
	name := h.send.conf.Name
	err = h.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO session_webhooks(name, published_no) VALUES (?, ?) ON DUPLICATE KEY UPDATE name = VALUES(name)", name, last)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("its place: %w", err)
	}
	if err := h.db.QueryRowContext(ctx, "SELECT published_no FROM session_webhooks WHERE name = ?", name).Scan(&no); err != nil {
		return 0, fmt.Errorf("its place: %w", err)
	}
	return no, nil
}

// change makes a change in one transaction, a begun one also where ctx ends. ErrTaken: the
// hook is another node's by now. A node that was held up, and replaced, does not know that:
// it would move the place back, and bury or remove what the other one delivers.
func (h *hook) change(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeBound)
	defer cancel()
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := dblock.Check(ctx, sqlx.NewSessionFromTx(tx)); err != nil {
		return err
	}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// hookRun is a hook that this node has.
type hookRun struct {
	hook     *hook
	queue    *queue
	results  chan result
	inFlight int
	looked   time.Time       // when batches were last looked for
	stored   int64           // the place that MySQL has
	raised   map[string]bool // dead letters in the queue, by their event
	pruned   time.Time       // when dead letters were last removed
}

// result is what came of an attempt.
type result struct {
	d   *delivery
	err error
}

// turn loads, delivers what is due, and notes what is done with. It returns when
// there is more to do, if no attempt ends before.
func (r *hookRun) turn(ctx context.Context) (next time.Time, err error) {
	h := r.hook
	now := time.Now()
	if now.Sub(r.looked) >= h.poll && r.queue.size < h.send.conf.Queue {
		more, err := r.load(ctx)
		if err != nil {
			return now, err
		}
		if err := r.raise(ctx, now); err != nil {
			return now, err
		}
		if r.looked = now; more {
			r.looked = time.Time{}
		}
	}
	for r.inFlight < h.send.conf.Parallel {
		d := r.queue.take(now)
		if d == nil {
			break
		}
		r.inFlight++
		go func() { r.results <- result{d, h.send.post(context.WithoutCancel(ctx), d.event)} }()
	}
	hookWaiting.Set(float64(r.queue.size), h.send.conf.Name)
	if err := r.store(ctx); err != nil {
		return now, err
	}
	next = now.Add(h.poll)
	if r.looked.IsZero() && r.queue.size < h.send.conf.Queue {
		return now, nil
	}
	if due, any := r.queue.due(); any && r.inFlight < h.send.conf.Parallel && due.Before(next) {
		next = due
	}
	return next, nil
}

// load takes in the next batch.
func (r *hookRun) load(ctx context.Context) (more bool, err error) {
	h := r.hook
	no, list, err := batchAfter(ctx, h.db, r.queue.loaded)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if types := h.send.conf.Types; len(types) > 0 {
		list = slices.DeleteFunc(list, func(e row) bool { return !slices.Contains(types, e.Type) })
	}
	r.queue.add(no, list)
	return true, nil
}

// raise takes in dead letters that are tried again.
func (r *hookRun) raise(ctx context.Context, now time.Time) error {
	h := r.hook
	if now.Sub(r.pruned) >= pruneEvery {
		r.pruned = now
		if err := h.pruneDead(ctx); err != nil {
			return err
		}
	}
	list, err := h.raised(ctx, min(h.send.conf.Queue, raiseMost))
	if err != nil {
		return err
	}
	for _, e := range list {
		if !r.raised[e.EventID] && r.queue.size < h.send.conf.Queue {
			r.raised[e.EventID] = true
			r.queue.raise(e)
		}
	}
	return nil
}

// settle takes in what came of an attempt. ErrTaken: the hook is another node's by now.
func (r *hookRun) settle(ctx context.Context, a result) error {
	r.inFlight--
	name, c := r.hook.send.conf.Name, &r.hook.send.conf
	a.d.attempts++
	switch {
	case a.err == nil:
		hookDelivered.Inc(name)
		return r.over(ctx, a.d, nil)
	case a.d.attempts >= c.Attempts:
		hookFailed.Inc(name)
		return r.over(ctx, a.d, a.err)
	default:
		hookFailed.Inc(name)
		r.queue.again(a.d, time.Now().Add(worker.Backoff(c.Backoff, c.MaxBackoff, a.d.attempts-1, 20)))
	}
	return nil
}

// over takes an event off that was delivered, or, where why is set, given up: then it
// is kept as a dead letter first. ErrTaken: that is up to another node.
func (r *hookRun) over(ctx context.Context, d *delivery, why error) error {
	h, id := r.hook, d.event.EventID
	var err error
	kept := false
	switch {
	case why != nil:
		kept, err = h.bury(ctx, d, why)
	case d.batch == nil:
		err = h.unbury(ctx, id)
	}
	if errors.Is(err, dblock.ErrTaken) {
		return err
	}
	if err != nil { // it is tried once more
		logx.Errorf("webhook %s: event %s: %v", h.send.conf.Name, id, err)
		r.queue.again(d, time.Now().Add(h.send.conf.MaxBackoff))
		return nil
	}
	switch {
	case kept:
		hookDead.Inc(h.send.conf.Name)
		logx.Errorf("webhook %s: event %s (%s) is given up after %d attempts, and kept as a dead letter: %v", h.send.conf.Name, id, d.event.Type, d.attempts, why)
	case why != nil:
		logx.Errorf("webhook %s: event %s (%s) is given up after %d attempts, and not kept, since nothing is stored of its user any more: %v", h.send.conf.Name, id, d.event.Type, d.attempts, why)
	}
	delete(r.raised, id)
	r.queue.done(d)
	return nil
}

// store notes which batches are done with.
func (r *hookRun) store(ctx context.Context) error {
	done := r.queue.finished()
	if done == r.stored {
		return nil
	}
	err := r.hook.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE session_webhooks SET published_no = ? WHERE name = ?", done, r.hook.send.conf.Name)
		return err
	})
	if err != nil {
		return fmt.Errorf("its place: %w", err)
	}
	r.stored = done
	return nil
}

// end waits for the attempts under way, so that what they deliver is not repeated, and
// notes the place, unless why says that the hook is another node's by now.
func (r *hookRun) end(ctx context.Context, why error) {
	for r.inFlight > 0 {
		if err := r.settle(ctx, <-r.results); err != nil {
			why = err
		}
	}
	hookWaiting.Set(0, r.hook.send.conf.Name)
	if errors.Is(why, dblock.ErrTaken) {
		return
	}
	if err := r.store(ctx); err != nil {
		logx.Errorf("webhook %s: %v", r.hook.send.conf.Name, err)
	}
}

// userOf is whose session an event tells of.
func userOf(e row) int64 {
	var body struct {
		Session struct {
			UserID int64 `json:"user_id,string"`
		} `json:"session"`
	}
	_ = json.Unmarshal([]byte(e.Body), &body) // written by ourselves; else all such events are one user's
	return body.Session.UserID
}
