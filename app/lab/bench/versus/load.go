package versus

import (
	"context"
	"errors"
	"fmt"
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

// do makes n operations. A lost answer is counted; an error is that of a connection,
// or ctx's.
func (l *load) do(ctx context.Context, callers, n int) (out outcome, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next atomic.Int64
	)
	callers = min(callers, len(l.t.devices))
	for c := range callers {
		wg.Go(func() {
			timer := time.NewTimer(answerTimeout)
			defer timer.Stop()
			mine := outcome{took: make([]time.Duration, 0, n/callers+1)}
			for i := c; next.Add(1) <= int64(n) && ctx.Err() == nil; i += callers {
				if i >= len(l.t.devices) {
					i = c
				}
				begin := time.Now()
				switch err := l.one(ctx, l.t.devices[i], timer); {
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
		err = l.t.push(ctx, d.key, l.body)
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
