package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

var (
	cleanedSessions = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "cleanup",
		Name:      "sessions_total",
		Help:      "Sessions that were ended because nobody used them.",
	})
	removedRows = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "cleanup",
		Name:      "removed_total",
		Help:      "Rows that were removed since they had been over for long: sessions, history (sessions that another on their key has followed), devices.",
		Labels:    []string{"kind"},
	})
	cleanupRuns = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "cleanup",
		Name:      "runs_total",
		Help:      "Runs of the clean-up by result: done, limit, busy (another node is at it), waits (for an operator), stopped, error.",
		Labels:    []string{"result"},
	})
)

// Results of a clean-up.
const (
	CleanupDone    = "done"
	CleanupLimit   = "limit"   // as many as were to be ended; there may be more
	CleanupBusy    = "busy"    // another node is at it
	CleanupStopped = "stopped" // told to, after the batch under way
	CleanupError   = "error"
	CleanupWaits   = "waits" // for an operator, on a database of a stock install
)

const cleanupLock = "authsession.cleanup"

// Cleanup is one run that ends the sessions nobody uses, and then removes the rows
// of what has ended long ago.
//
// One run at a time holds the database's lock, and each of its transactions
// checks the lock's token: a node that has lost the lock, without having
// noticed, changes nothing.
type Cleanup struct {
	Dao     *dao.Dao
	Manager *sessions.Manager

	OlderThan time.Duration // idle for; a user's own TTL goes first
	Batch     int           // sessions at a time
	Sleep     time.Duration // in between
	Limit     int           // in all; 0: no limit
	Keep      time.Duration // rows of what has ended; 0: for ever
	DryRun    bool          // count only
	Allow     bool          // cleaners end logins of a stock install from now on
	Actor     string
	Note      string // what the actor says of it, kept with each session
	Ticket    string
	// Ended, when set, is told of the sessions that a batch ended.
	Ended func([]sessions.Revoked)
}

// CleanupSummary is what came of a run.
type CleanupSummary struct {
	Result   string
	Sessions int // ended, or, in a dry run, to be ended
	Batches  int
	// Removed are the rows that were removed, or, in a dry run, would be. A run that
	// stopped at its limit, or was told to stop, has not got that far.
	Removed dao.Rows
	Took    time.Duration
}

// Run runs until nothing is left to do, or ctx ends: then what is under way is
// finished.
func (c Cleanup) Run(ctx context.Context) (s CleanupSummary, err error) {
	began := time.Now()
	defer func() {
		s.Took = time.Since(began)
		if err != nil {
			s.Result = CleanupError
		}
	}()
	lock, err := c.Dao.Lock(ctx, cleanupLock)
	if errors.Is(err, dblock.ErrTaken) {
		return CleanupSummary{Result: CleanupBusy}, nil
	}
	if err != nil {
		return s, err
	}
	defer lock.Release()
	work := lock.Fenced(context.WithoutCancel(ctx))
	if c.Allow && !c.DryRun {
		if err := c.Dao.AllowCleanup(work); err != nil {
			return s, err
		}
	}
	if s.Result, err = c.endIdle(ctx, work, &s); err == nil && (s.Result == CleanupDone || c.DryRun) {
		err = c.remove(ctx, work, &s)
	}
	return s, err
}

// endIdle ends sessions, in batches, and says how it came to its end.
func (c Cleanup) endIdle(ctx, work context.Context, s *CleanupSummary) (result string, err error) {
	idle := c.Manager.Idle(c.OlderThan)
	for {
		batch := c.batch(s.Sessions)
		n, more, err := c.end(work, idle, batch)
		if s.Sessions += n; n > 0 {
			s.Batches++
		}
		switch {
		case err != nil:
			return CleanupError, err
		case !more:
			return CleanupDone, nil
		case c.DryRun, c.Limit > 0 && s.Sessions >= c.Limit:
			return CleanupLimit, nil
		case !worker.Sleep(ctx, c.Sleep):
			return CleanupStopped, nil
		}
	}
}

// remove removes rows, in batches, or counts them in a dry run.
func (c Cleanup) remove(ctx, work context.Context, s *CleanupSummary) (err error) {
	if c.Keep <= 0 {
		return nil
	}
	scan := c.Dao.ScanOver(c.Dao.Now() - int64(c.Keep/time.Second))
	if c.DryRun {
		s.Removed, err = scan.Count(work)
		return err
	}
	for {
		removed, over, err := scan.Remove(work, c.Batch)
		s.Removed.Logins += removed.Logins
		s.Removed.History += removed.History
		s.Removed.Devices += removed.Devices
		switch {
		case err != nil, over:
			return err
		case !worker.Sleep(ctx, c.Sleep):
			s.Result = CleanupStopped
			return nil
		}
	}
}

// end ends a batch, or counts in a dry run.
func (c Cleanup) end(ctx context.Context, idle *sessions.Idle, limit int) (n int, more bool, err error) {
	if c.DryRun {
		return c.Manager.CountInactive(ctx, c.OlderThan, limit)
	}
	ended, more, err := idle.Revoke(ctx, limit, sessions.By{Reason: logins.Inactive, Actor: c.Actor, Note: c.Note, Ticket: c.Ticket})
	if c.Ended != nil {
		c.Ended(ended)
	}
	return len(ended), more, err
}

// allSessions is more than a dry run counts.
const allSessions = 10_000_000

// batch is how many sessions to end next, when done are. A dry run changes
// nothing, and so has to count all at once.
func (c Cleanup) batch(done int) int {
	switch {
	case c.DryRun && c.Limit > 0:
		return c.Limit
	case c.DryRun:
		return allSessions
	case c.Limit > 0:
		return min(c.Batch, c.Limit-done)
	}
	return c.Batch
}

// firstCleanup is when a node looks first, at the latest: soon enough for nodes
// that never live for a whole period.
const firstCleanup = 5 * time.Minute

// CleanupOptions are those of the clean-up that a node runs by itself.
type CleanupOptions struct {
	Enabled       bool
	Period        time.Duration // between two runs
	InactiveAfter time.Duration // for users without a time of their own
	BatchSize     int           // logins, or rows to remove, in one transaction
	Sleep         time.Duration // between two batches
	JitterPct     int           // of Period, 0 to 50
	FirstRun      bool          // it ends unused logins of a stock install, too
	KeepEnded     time.Duration // how long rows of what has ended stay; 0: for ever
}

// cleaner runs the clean-up now and then.
type cleaner struct {
	run        Cleanup
	retryAfter time.Duration
}

// A run that failed is repeated soon, since a fault is mostly over by then, and not
// for ever: the next period comes.
const (
	cleanupTries = 3
	cleanupRetry = 5 * time.Second
)

// StartCleaner starts one. Stop makes the batch under way the last. Nil, when it is not enabled.
func StartCleaner(d *dao.Dao, m *sessions.Manager, c CleanupOptions) *worker.Worker {
	if !c.Enabled {
		return nil
	}
	clean := &cleaner{
		run:        Cleanup{Dao: d, Manager: m, OlderThan: c.InactiveAfter, Batch: c.BatchSize, Sleep: c.Sleep, Keep: c.KeepEnded, Allow: c.FirstRun, Actor: "cleanup"},
		retryAfter: cleanupRetry,
	}
	return worker.Start(worker.Job{
		Name: "clean-up", Spread: min(firstCleanup, c.Period), Every: c.Period, JitterPct: c.JitterPct,
		Run: func(ctx context.Context) error { clean.tries(ctx); return nil },
	})
}

// tries takes turns until one has no error.
func (c *cleaner) tries(ctx context.Context) {
	for try := 1; ; try++ {
		s, err := c.turn(ctx)
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return
		}
		c.tell(s, err)
		if err == nil || try == cleanupTries || !worker.Sleep(ctx, c.retryAfter) {
			return
		}
	}
}

// tell counts and logs what came of a turn.
func (c *cleaner) tell(s CleanupSummary, err error) {
	cleanupRuns.Inc(s.Result)
	if s.Result != CleanupBusy {
		c.note(s)
	}
	gone := s.Removed
	if s.Result != CleanupWaits {
		cleanedSessions.Add(float64(s.Sessions))
		removedRows.Add(float64(gone.Logins), "sessions")
		removedRows.Add(float64(gone.History), "history")
		removedRows.Add(float64(gone.Devices), "devices")
	}
	did := fmt.Sprintf("%d unused sessions ended in %d batches; rows removed that were over for %v: %d of sessions, %d of their history, %d of devices; %v",
		s.Sessions, s.Batches, c.run.Keep, gone.Logins, gone.History, gone.Devices, s.Took.Round(time.Millisecond))
	switch {
	case err != nil:
		logx.Errorf("clean-up: %s, then: %v", did, err)
	case s.Result == CleanupWaits:
		logx.Infof("clean-up: waits. This database has logins of a stock install, and %d that nobody has used for %v would end, and %d rows of what has ended %v ago would go: authsession cleanup -dry-run counts them, authsession cleanup ends and removes them and lets nodes go on by themselves, and so does Cleanup.FirstRun: true",
			s.Sessions, c.run.OlderThan, gone.Logins+gone.History+gone.Devices, c.run.Keep)
	case s.Result != CleanupBusy:
		logx.Infof("clean-up: %s: %s", did, s.Result)
	}
}

// turn is a run, or, where the clean-up waits for an operator, a count.
func (c *cleaner) turn(ctx context.Context) (CleanupSummary, error) {
	waits, err := c.run.Dao.CleanupWaits(ctx)
	if err != nil {
		return CleanupSummary{Result: CleanupError}, err
	}
	if !waits || c.run.Allow {
		return c.run.Run(ctx)
	}
	count := c.run
	count.DryRun = true
	s, err := count.Run(ctx)
	if err == nil && s.Result != CleanupBusy {
		s.Result = CleanupWaits
	}
	return s, err
}
