package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/pause"
)

const (
	// soakCalls and soakTexts are the paces of a busy client: its own calls, and
	// messages each way.
	soakCalls = 5 * time.Second
	soakTexts = 10 * time.Second
	// soakQuiet is how long an idle client is left alone between two messages.
	soakQuiet = 4 * time.Minute
	// soakLate is how long a message may take to a client that is connected.
	soakLate = 2 * time.Second
	// soakReport is how often progress is told.
	soakReport = 5 * time.Minute
	// soakFaults bounds how many faults are told of a client; all are counted.
	soakFaults = 5
)

// soaking are the phases of a soak: clients log in and are used, or left alone,
// for a long time in which nothing happens to the cluster. Whatever then goes
// wrong, it was the cluster's doing or the client's own.
func soaking(long time.Duration) []phase {
	bound := long + 5*time.Minute
	return []phase{
		{busy: true, lanes: [][]step{{
			{name: "connect", about: "key exchange", run: connect},
			{name: "login", about: "login, sign-up", run: signUp},
			{name: "settle", about: "an idle device logs in", run: settle},
		}}},
		{lanes: [][]step{
			{{name: "busy", about: "in use: the latest message", run: busy(long), bound: bound}},
			{{name: "quiet", about: "left alone: the latest message", run: quiet(long), bound: bound}},
		}},
	}
}

// settle logs the second process in as a person of its own, whose device is
// idle because nobody else's messages come to it.
func settle(ctx context.Context, w *walk, _ *Cell) (err error) {
	if w.second, _, err = w.process(ctx, "second", w.run.cluster.Addr(), 0); err != nil {
		return err
	}
	if w.secondUser, err = login(ctx, w.second, w.hermit); err != nil {
		return err
	}
	w.toHermit, err = w.peer.Find(ctx, w.hermit.Name)
	return err
}

// busy makes calls and sends messages both ways, all the time.
func busy(long time.Duration) func(context.Context, *walk, *Cell) error {
	return func(ctx context.Context, w *walk, c *Cell) error {
		t := w.newTally("in use", w.main)
		var all sync.WaitGroup
		all.Go(func() {
			every(ctx, soakCalls, long, func() { t.call(makeCalls(ctx, w.main, 1, "users.getUsers")) })
		})
		all.Go(func() {
			every(ctx, soakTexts, long, func() {
				t.message(w.reaches(ctx, w.main, w.toAlice, "soak", patience))
				begin := time.Now()
				err := w.says(ctx, w.text("soak"))
				t.call(time.Since(begin), err)
			})
		})
		all.Wait()
		return t.judge(c)
	}
}

// quiet sends the second device a message now and then, and asks nothing of it
// before the end.
func quiet(long time.Duration) func(context.Context, *walk, *Cell) error {
	return func(ctx context.Context, w *walk, c *Cell) error {
		if w.secondUser == 0 {
			return errPast
		}
		t := w.newTally("left alone", w.second)
		every(ctx, soakQuiet, long, func() { t.message(w.reaches(ctx, w.second, w.toHermit, "soak", patience)) })
		begin := time.Now()
		err := is(ctx, w.second, w.secondUser)
		t.call(time.Since(begin), err)
		return t.judge(c)
	}
}

// every does something at a pace for a time, once at least.
func every(ctx context.Context, pace, long time.Duration, do func()) {
	end := time.Now().Add(long)
	for {
		next := time.Now().Add(pace)
		do()
		if ctx.Err() != nil || next.After(end) {
			return
		}
		_ = pause.For(ctx, time.Until(next))
	}
}

// tally counts what a soak saw of one process. It is safe for concurrent use.
type tally struct {
	w       *walk
	about   string
	process *program.Process
	broken  int // "disconnected" events before it began

	mu                    sync.Mutex
	reported              time.Time
	messages, calls       int
	late, lost, failed    int
	slowestText, slowCall time.Duration
	faults                []string
}

func (w *walk) newTally(about string, p *program.Process) *tally {
	return &tally{w: w, about: about, process: p, broken: p.Count("disconnected"), reported: time.Now()}
}

// message takes in how long a message took to the process.
func (t *tally) message(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages++
	t.slowestText = max(t.slowestText, took)
	switch {
	case err != nil:
		t.lost++
		t.fault(err.Error())
	case took > soakLate:
		t.late++
		t.fault(fmt.Sprintf("a message took %d ms", took.Milliseconds()))
	}
	t.report()
}

// call takes in how long a call of the process took.
func (t *tally) call(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	t.slowCall = max(t.slowCall, took)
	if err != nil {
		t.failed++
		t.fault(err.Error())
	}
	t.report()
}

// fault keeps the first few; each is told at once, with the time of day, so
// that it is found in the logs. The lock is held.
func (t *tally) fault(what string) {
	if len(t.faults) < soakFaults {
		t.faults = append(t.faults, time.Now().Format(time.TimeOnly)+" "+what)
	}
	t.tell(what)
}

// report tells how it goes, now and then. The lock is held.
func (t *tally) report() {
	if time.Since(t.reported) >= soakReport {
		t.reported = time.Now()
		t.tell(t.figures())
	}
}

func (t *tally) tell(what string) {
	fmt.Fprintf(t.w.run.cfg.Progress, "%s %-22s %s: %s\n", time.Now().Format(time.TimeOnly), t.w.client.Name, t.about, oneLine(what))
}

func (t *tally) reconnects() int { return t.process.Count("disconnected") - t.broken }

func (t *tally) figures() string {
	return fmt.Sprintf("%d messages, %d late, %d lost, slowest %d ms; %d calls, %d failed, slowest %d ms; %d reconnects",
		t.messages, t.late, t.lost, t.slowestText.Milliseconds(), t.calls, t.failed, t.slowCall.Milliseconds(), t.reconnects())
}

// judge makes the cell: the slowest message, and all figures in the note.
func (t *tally) judge(c *Cell) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Took, c.Note = t.slowestText, t.figures()
	if twice := t.process.Repeated(); len(twice) > 0 {
		t.faults = append(t.faults, fmt.Sprintf("%d messages came twice", len(twice)))
	}
	if len(t.faults) == 0 && t.reconnects() == 0 {
		return nil
	}
	return errors.New(strings.Join(append([]string{c.Note}, t.faults...), "; "))
}
