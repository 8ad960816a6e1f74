package versus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	answerTimeout = 10 * time.Second
	acksAtOnce    = 16 // of pushes: calls carry theirs
)

// load has callers do operations on a target, each caller one after the other on
// devices of its own.
type load struct {
	t    *target
	kind kind
	body []byte // of a call, or updates
	date int    // where the date of updates stands, which each has of its own; 0: they are alike
	made atomic.Uint64
}

// updates is what is pushed next.
func (l *load) updates() []byte {
	if l.date == 0 {
		return l.body
	}
	b := slices.Clone(l.body)
	for n, i := l.made.Add(1), l.date; i < l.date+4; n, i = n>>7, i+1 {
		b[i] = 0x80 | byte(n&0x7f)
	}
	return b
}

// kind is what an operation is.
type kind int

const (
	calls kind = iota
	pushes
	pings
)

// outcome is what the callers saw.
type outcome struct {
	took []time.Duration
	lost int // operations without an answer, pushes that did not arrive
}

// errLost is the answer that did not come.
var errLost = errors.New("no answer")

// do makes n operations, each caller on devices of its own in turn. A lost answer is
// counted; an error is that of a connection, or ctx's.
func (l *load) do(ctx context.Context, callers, n int) (outcome, error) {
	callers = min(callers, len(l.t.devices))
	return l.drive(ctx, callers, n, func(caller, turn, _ int) int {
		own := (len(l.t.devices) - caller + callers - 1) / callers
		return caller + turn%own*callers
	})
}

// each makes one operation on each device.
func (l *load) each(ctx context.Context, callers int) (outcome, error) {
	return l.drive(ctx, callers, len(l.t.devices), func(_, _, operation int) int { return operation })
}

// drive makes n operations; pick names the device of a caller's turn, which is so
// many operations after the first of all.
func (l *load) drive(ctx context.Context, callers, n int, pick func(caller, turn, operation int) int) (out outcome, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next atomic.Int64
	)
	for caller := range callers {
		wg.Go(func() {
			timer := time.NewTimer(answerTimeout)
			defer timer.Stop()
			mine := outcome{took: make([]time.Duration, 0, n/callers+1)}
			for turn := 0; ctx.Err() == nil; turn++ {
				operation := int(next.Add(1)) - 1
				if operation >= n {
					break
				}
				begin := time.Now()
				switch err := l.one(ctx, l.t.devices[pick(caller, turn, operation)], timer); {
				case errors.Is(err, errLost):
					mine.lost++
				case err != nil:
					cancel(fmt.Errorf("%s: %w", l.t.name, err))
				default:
					mine.took = append(mine.took, time.Since(begin))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out.took, out.lost = append(out.took, mine.took...), out.lost+mine.lost
		})
	}
	wg.Wait()
	return out, context.Cause(ctx)
}

// one does an operation on a device and waits for its end.
func (l *load) one(ctx context.Context, d *device, timer *time.Timer) (err error) {
	select {
	case <-d.came: // of an operation that was given up
	default:
	}
	switch l.kind {
	case pushes:
		if acks := d.takeAcks(acksAtOnce); acks != nil {
			if err := l.t.post(ctx, d.say(msgsAck(acks), false)); err != nil {
				return err
			}
		}
		err = l.t.push(ctx, d.key, l.updates())
	case pings:
		err = l.t.post(ctx, d.say(words(idPing, 1, 2), true))
	default:
		err = l.t.post(ctx, d.call(l.body))
	}
	if err != nil {
		return err
	}
	timer.Reset(answerTimeout)
	select {
	case <-d.came:
		return nil
	case <-timer.C:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
}
