// Package worker runs a job again and again until it is told to stop. It has what all such jobs
// need once: a first run at a random time and periods of varying length, so that nodes that
// were started together do not work at the same moments; failures that are logged at a bounded
// rate; and a stop that can be waited for.
//
// It is for jobs that look for work now and then. What waits for work to arrive (a queue, a
// lock to be renewed) has a loop of its own.
package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
)

// logEvery is how often a failure that goes on is logged.
const logEvery = time.Minute

// Job says what a worker does, and when.
type Job struct {
	// Name is what the log calls the job.
	Name string
	// Run does the work. Its context ends when the worker is told to stop: whatever must be
	// finished then is finished without it. After that an error is not logged.
	Run func(ctx context.Context) error
	// First is the time until the first run, and Spread what is added to it at most, chosen at
	// random. 0 and 0: it begins at once.
	First, Spread time.Duration
	// Every is the time from the end of a run to the begin of the next; 0: it runs once.
	Every time.Duration
	// JitterPct is by how many per cent of Every each wait is longer or shorter, 0 to 100.
	JitterPct int
	// MaxBackoff, when set, has each failure in a row double the wait, up to it.
	MaxBackoff time.Duration
}

// Worker runs a job, one run after the other, in one goroutine. A nil Worker has ended.
type Worker struct {
	stop context.CancelFunc
	done chan struct{}
}

// Start starts a worker; Stop ends it.
func Start(j Job) *Worker {
	ctx, stop := context.WithCancel(context.Background())
	w := &Worker{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		j.loop(ctx)
	}()
	return w
}

// Stop ends the worker after the run under way, whose context ends now. The channel is closed
// when nothing is under way any more. Stop may be called more than once.
func (w *Worker) Stop() (stopped <-chan struct{}) {
	if w != nil {
		w.stop()
	}
	return w.Done()
}

// Done returns a channel that is closed when the worker has ended, be it after the only run of
// a job without a period.
func (w *Worker) Done() <-chan struct{} {
	if w == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return w.done
}

func (j *Job) loop(ctx context.Context) {
	wait := j.First
	if j.Spread > 0 {
		wait += rand.N(j.Spread)
	}
	for l := (log{name: j.Name}); Sleep(ctx, wait); wait = j.wait(l.failures) {
		err := j.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if line, failed := l.line(err, time.Now()); failed {
			logx.Error(line)
		} else if line != "" {
			logx.Info(line)
		}
		if j.Every <= 0 {
			return
		}
	}
}

// wait is the time until the next run, after so many failures in a row.
func (j *Job) wait(failures int) time.Duration {
	if j.MaxBackoff == 0 {
		failures = 0
	}
	return Backoff(j.Every, max(j.Every, j.MaxBackoff), failures, j.JitterPct)
}

// Backoff is first, doubled so many times but no longer than most, and by up to jitterPct per
// cent (0 to 100) longer or shorter.
func Backoff(first, most time.Duration, doublings, jitterPct int) time.Duration {
	d := first
	for range doublings {
		if d *= 2; d >= most {
			d = most
			break
		}
	}
	jitter := d / 100 * time.Duration(jitterPct)
	return d - jitter + rand.N(2*jitter+1)
}

// log chooses what is logged of the runs of a job.
type log struct {
	name     string
	failures int // in a row
	logged   time.Time
}

// line is what is logged of a run; empty: nothing. The first failure in a row is, then one a
// minute for as long as it goes on, and that it is over.
func (l *log) line(err error, now time.Time) (line string, failed bool) {
	switch {
	case err == nil && l.failures > 0:
		l.failures = 0
		return l.name + ": works again", false
	case err == nil:
		return "", false
	}
	if l.failures++; l.failures > 1 && now.Sub(l.logged) < logEvery {
		return "", false
	}
	l.logged = now
	return l.name + ": " + err.Error(), true
}

// Sleep waits for d and reports whether that passed before ctx ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
