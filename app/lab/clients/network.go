package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/pause"
)

const (
	// back is how long a client may take after a bad network until it has what
	// it missed.
	back = time.Minute
	// found is how long it may take after a restart. A session that was killed
	// knows of no client before that speaks, and some idle ones ping once a
	// minute, or notice after that that their ping was lost.
	found = 130 * time.Second
	// margin is how long an idle device is watched beyond the salts.
	margin = 10 * time.Second
)

// cut breaks the connection for a time and refuses new ones; in the middle of it
// Bob sends a message. The step is about how long after the cut it comes.
func cut(long time.Duration) func(context.Context, *walk, *Cell) error {
	return func(ctx context.Context, w *walk, c *Cell) error {
		return w.missing(ctx, c, long, w.proxy.Refuse)
	}
}

// hole lets the connection stand and nothing pass for a time.
func hole(long time.Duration) func(context.Context, *walk, *Cell) error {
	return func(ctx context.Context, w *walk, c *Cell) error {
		return w.missing(ctx, c, long, func() func() error {
			w.proxy.Hold()
			return func() error { w.proxy.Restore(); return nil }
		})
	}
}

// missing makes the network bad for a time. What is sent meanwhile has to come
// afterwards, unless the library fetches nothing, and then what is sent next.
func (w *walk) missing(ctx context.Context, c *Cell, long time.Duration, bad func() (good func() error)) error {
	good := bad()
	_ = pause.For(ctx, long/2)
	text := w.text("in the cut")
	err := w.fromBob(ctx, text)
	_ = pause.For(ctx, long/2)
	begin := time.Now()
	if err := errors.Join(err, good()); err != nil {
		return err
	}
	if err := w.prompt(ctx); err != nil {
		return err
	}
	lost := w.awaits(ctx, w.main, text, back)
	c.Took = time.Since(begin)
	if lost != nil && !w.can.lack(cannotDifference) {
		return lost
	}
	if err := is(ctx, w.main, w.user); err != nil {
		return err
	}
	if _, err := w.hears(ctx, w.main, "after the cut", patience); err != nil {
		return err
	}
	if lost != nil {
		texts, err := w.history(ctx, 2)
		if err != nil {
			return err
		}
		if !slices.Contains(texts, text) {
			return fmt.Errorf("history: answered %.200q without %q", texts, text)
		}
		return none("the library does not fetch what it missed; it is in the history")
	}
	return nil
}

// prompt makes a client speak that never does so by itself: it can be told
// nothing before.
func (w *walk) prompt(ctx context.Context) error {
	if !w.can.lack(cannotPing) {
		return nil
	}
	return is(ctx, w.main, w.user)
}

// idle leaves the second device alone while salts change twice (in the short
// form once). A message then has to reach it, and a call to be answered.
func idle(ctx context.Context, w *walk, c *Cell) error {
	if w.secondUser == 0 {
		return errPast
	}
	changes := time.Duration(2)
	if w.run.cfg.Short {
		changes = 1
	}
	before := w.second.Count("disconnected")
	_ = pause.For(ctx, changes*w.run.cfg.SaltLife+margin)
	if n := w.second.Count("disconnected") - before; n > 0 {
		c.Note = fmt.Sprintf("%d reconnects while idle", n)
	}
	begin := time.Now()
	if _, err := w.hears(ctx, w.second, "still there", patience); err != nil {
		return err
	}
	c.Took = time.Since(begin)
	return is(ctx, w.second, w.secondUser)
}

// callsInRestart are slow calls that a restart meets.
const callsInRestart = 5

// restart ends a service while slow calls are under way. Then a message has to
// come, before the client says anything by itself; the step is about how long
// that takes once the service is back.
func restart(name, about string, how func(context.Context, *run) error, lossy bool) phase {
	return phase{
		before: func(ctx context.Context, w *walk) {
			w.calls = nil
			if w.user == 0 {
				return
			}
			calls := make(chan error, 1)
			w.calls = calls
			begun, cancel := context.WithTimeout(ctx, found)
			go func() {
				defer cancel()
				_, err := makeCalls(begun, w.main, callsInRestart, bff.SlowMethod)
				calls <- err
			}()
			_ = pause.For(ctx, SlowTime/3) // in the middle of the calls
		},
		shared: how,
		lanes: [][]step{{{name: name, about: about, bound: 4 * time.Minute, run: func(ctx context.Context, w *walk, c *Cell) error {
			return w.survives(ctx, c, lossy)
		}}}},
	}
}

// survives judges a restart that has just happened.
func (w *walk) survives(ctx context.Context, c *Cell, lossy bool) error {
	// Bob's own device has lived through the restart as well.
	if err := w.peer.Subscribe(ctx); err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	begin := time.Now()
	heard := func() error {
		if err := w.prompt(ctx); err != nil {
			return err
		}
		_, err := w.hears(ctx, w.main, "after the restart", found)
		return err
	}()
	c.Took = time.Since(begin)
	calls := <-w.calls
	if why, ok := program.Unsupported(calls); ok {
		c.Note, calls = "without calls in flight: "+why, nil
	}
	if calls != nil && lossy && w.can.lack(cannotResend) {
		c.Note, calls = "calls in flight were lost: the library does not send them again", nil
	}
	if calls != nil {
		calls = fmt.Errorf("calls in flight: %w", calls)
	}
	if err := errors.Join(heard, calls); err != nil {
		return err
	}
	return w.says(ctx, w.text("after the restart"))
}
