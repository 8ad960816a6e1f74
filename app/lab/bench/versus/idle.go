package versus

import (
	"context"
	"fmt"
	"time"
)

const (
	// A part of the keys is there before the first look at the memory, so that what
	// every node has is not taken for theirs.
	warmPart = 25
	// keysAtOnce are logged in between two lines of progress.
	keysAtOnce = 5000

	settledAfter = 10 // looks without less memory than before
	settleLooks  = 90 // at most
)

// staySilent keeps silent sessions: they would be offline after 75 s, and gone
// some minutes later.
const staySilent = "Session: {IdleOffline: 30m, IdleClose: 1h}\n"

// state measures what keys cost that do nothing.
func (r *run) state(ctx context.Context, s State) (out StateResult, err error) {
	out = StateResult{State: s}
	r.peers.desk.answers(nil)
	t, err := r.startSession(ctx, true, staySilent)
	if err != nil {
		return out, err
	}
	defer t.close()
	switch s.Key {
	case idleMemory:
		out.Keys = r.IdleKeys
		out.Value, err = r.memoryOfKey(ctx, t)
	default:
		out.Keys = r.QuietKeys
		out.Value, err = r.cpuOfMinute(ctx, t, s.Key == pingCPU)
	}
	return out, err
}

// memoryOfKey is what the resident memory of the process grows by for a key, KiB. What Go
// keeps free for the next garbage does not count: it is up to as much as lives, and how
// much of it is resident is chance.
func (r *run) memoryOfKey(ctx context.Context, t *target) (float64, error) {
	if err := r.crowd(ctx, t, max(1, r.IdleKeys/warmPart)); err != nil {
		return 0, err
	}
	before, err := r.settledMemory(ctx, t)
	if err != nil {
		return 0, err
	}
	if err := r.crowd(ctx, t, r.IdleKeys); err != nil {
		return 0, err
	}
	after, err := r.settledMemory(ctx, t)
	if err != nil {
		return 0, err
	}
	if err := r.fetchProfile(ctx, t, "heap?gc=1", idleMemory+".heap"); err != nil {
		return 0, err
	}
	return float64(after-before) / float64(r.IdleKeys) / 1024, nil
}

// crowd logs keys in, with progress.
func (r *run) crowd(ctx context.Context, t *target, keys int) error {
	for done := 0; done < keys; {
		n := min(keysAtOnce, keys-done)
		if err := r.logIn(ctx, t, n); err != nil {
			return err
		}
		done += n
		r.say("  %d of %d keys logged in", done, keys)
	}
	return nil
}

// settledMemory has the process collect its garbage, and waits until it has given
// back to the system what it will.
func (r *run) settledMemory(ctx context.Context, t *target) (least int64, err error) {
	for look, since := 0, 0; look < settleLooks && since < settledAfter; look++ {
		if look%settledAfter == 0 {
			if err := r.collect(ctx, t); err != nil {
				return 0, err
			}
		}
		now, err := resident(t.child.PID())
		if err != nil {
			return 0, err
		}
		free, err := t.freeHeap(ctx)
		if err != nil {
			return 0, err
		}
		now -= free
		if since++; least == 0 || now < least-least/200 {
			least, since = now, 0
		}
		if err := sleep(ctx, r.Quiet/60); err != nil {
			return 0, err
		}
	}
	r.say("  %.1f MiB resident, without the heap that is free", float64(least)/(1<<20))
	return least, nil
}

// cpuOfMinute is the CPU time of the process in a minute, s, when its keys are
// silent or ping once in that time each.
func (r *run) cpuOfMinute(ctx context.Context, t *target, pinging bool) (float64, error) {
	if err := r.crowd(ctx, t, r.QuietKeys); err != nil {
		return 0, err
	}
	// What logging in has left to do is not theirs.
	if err := r.collect(ctx, t); err != nil {
		return 0, err
	}
	if err := sleep(ctx, r.Quiet/12); err != nil {
		return 0, err
	}
	begin := time.Now()
	before, err := cpuTime(t.child.PID())
	if err != nil {
		return 0, err
	}
	if err := r.quiet(ctx, t, pinging, begin); err != nil {
		return 0, err
	}
	after, err := cpuTime(t.child.PID())
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	// Behind the measurement, since a profile costs; silent keys need no load for it.
	if !pinging {
		if err := r.fetchProfile(ctx, t, fmt.Sprintf("profile?seconds=%d", max(1, int(r.Quiet.Seconds()/2))), idleCPU+".cpu"); err != nil {
			return 0, err
		}
	}
	return (after - before).Seconds() * time.Minute.Seconds() / took.Seconds(), nil
}

// quiet lets the time of the measurement pass.
func (r *run) quiet(ctx context.Context, t *target, pinging bool, begin time.Time) error {
	const parts = 6
	for part := range parts {
		if pinging {
			from, to := part*len(t.devices)/parts, (part+1)*len(t.devices)/parts
			for i := from; i < to; i++ {
				if err := sleep(ctx, time.Until(begin.Add(r.Quiet*time.Duration(i)/time.Duration(len(t.devices))))); err != nil {
					return err
				}
				if err := t.post(ctx, t.devices[i].say(words(idPing, uint32(i), 0), true)); err != nil {
					return err
				}
			}
		}
		if err := sleep(ctx, time.Until(begin.Add(r.Quiet*time.Duration(part+1)/parts))); err != nil {
			return err
		}
		r.say("  %s of %s", (r.Quiet * time.Duration(part+1) / parts).Round(time.Second), r.Quiet)
	}
	if !pinging {
		return nil
	}
	for i, d := range t.devices {
		select {
		case <-d.came:
		case <-time.After(answerTimeout):
			return fmt.Errorf("ping %d of %d had no pong", i+1, len(t.devices))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
