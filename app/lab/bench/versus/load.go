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
	row  Row
	body []byte // of a call, or updates
}

// outcome is what the callers saw.
type outcome struct {
	took []time.Duration
	lost int // operations without an answer, or pushes that did not arrive
}

// errLost is the answer that did not come.
var errLost = errors.New("no answer")

// do makes n operations. An error is that of a connection: a lost answer is only counted.
func (l *load) do(ctx context.Context, callers, n int) (out outcome, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
			took := make([]time.Duration, 0, n/callers+1)
			lost := 0
			var failed error
			for i := c; next.Add(1) <= int64(n) && ctx.Err() == nil; i += callers {
				if i >= len(l.t.devices) {
					i = c
				}
				begin := time.Now()
				switch err := l.one(ctx, l.t.devices[i], timer); {
				case errors.Is(err, errLost):
					lost++
				case err != nil:
					failed = err
					cancel()
				default:
					took = append(took, time.Since(begin))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			out.took, out.lost = append(out.took, took...), out.lost+lost
			err = errors.Join(err, failed)
		})
	}
	wg.Wait()
	if err != nil {
		return out, fmt.Errorf("bench: %s: %w", l.t.name, err)
	}
	return out, ctx.Err()
}

// one does an operation on a device and waits for its end.
func (l *load) one(ctx context.Context, d *device, timer *time.Timer) error {
	select {
	case <-d.came: // of an operation that was given up
	default:
	}
	if l.row.push {
		if err := l.acknowledge(ctx, d); err != nil {
			return err
		}
		if err := l.t.push(ctx, d.key, l.body); err != nil {
			return err
		}
	} else if err := l.t.post(ctx, d.call(l.body)); err != nil {
		return err
	}
	return d.await(ctx, timer)
}

// acknowledge sends what is due, as clients do that have nothing else to send.
func (l *load) acknowledge(ctx context.Context, d *device) error {
	d.mu.Lock()
	due := len(d.acks) >= acksAtOnce
	d.mu.Unlock()
	if !due {
		return nil
	}
	return l.t.post(ctx, d.acknowledge(d.takeAcks()))
}

// await waits for what the device is waiting for.
func (d *device) await(ctx context.Context, timer *time.Timer) error {
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
