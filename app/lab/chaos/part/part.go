// Package part is one process of a cluster that faults are made to: it is ended,
// made to stand still, started again at the same address, and its end is noticed
// when nobody asked for it.
package part

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/tgsession/tgsession/app/lab/proc"
)

const (
	readyTimeout = 2 * time.Minute
	stopTimeout  = 60 * time.Second // more than any part takes by itself
)

// Part is a process that can be started again. It is for one goroutine.
type Part struct {
	Name string
	Addr string

	spec  proc.Spec
	ready func(context.Context, *proc.Child) error
	child *proc.Child
	asked bool // somebody has ended it
}

// New is a part that does not run yet. ready returns when it serves at addr, or
// with an error when the child ends before.
func New(spec proc.Spec, addr string, ready func(context.Context, *proc.Child) error) *Part {
	return &Part{Name: spec.Name, Addr: addr, spec: spec, ready: ready, asked: true}
}

// Start starts it and returns when it serves.
func (p *Part) Start(ctx context.Context) error {
	child, err := proc.Start(p.spec)
	if err != nil {
		return err
	}
	p.child, p.asked = child, false
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return p.ready(ctx, child)
}

// Stop asks it to end by SIGTERM and returns when it has. One that stands still
// goes on before.
func (p *Part) Stop(ctx context.Context) error {
	if p.child == nil || p.asked {
		return nil
	}
	if err := p.Failed(); err != nil {
		return err
	}
	p.asked = true
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return errors.Join(p.child.Signal(syscall.SIGCONT), p.child.Stop(ctx))
}

// Kill ends it by SIGKILL.
func (p *Part) Kill(ctx context.Context) error {
	if err := p.Failed(); err != nil {
		return err
	}
	p.asked = true
	return p.child.Kill(ctx)
}

// Freeze makes it stand still until Thaw.
func (p *Part) Freeze() error {
	if err := p.Failed(); err != nil {
		return err
	}
	return p.child.Signal(syscall.SIGSTOP)
}

// Thaw makes it go on.
func (p *Part) Thaw() error { return p.child.Signal(syscall.SIGCONT) }

// Ready returns when it serves.
func (p *Part) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return p.ready(ctx, p.child)
}

// PID is the number of the process that runs, or ran last.
func (p *Part) PID() int { return p.child.PID() }

// Failed is how it ended, when it did so by itself.
func (p *Part) Failed() error {
	if p.child == nil || p.asked {
		return nil
	}
	select {
	case <-p.child.Done():
		return p.child.Ended()
	default:
		return nil
	}
}

// pollEvery is the pace of Until.
const pollEvery = 50 * time.Millisecond

// Until is a ready that asks again and again.
func Until(serves func(context.Context) error) func(context.Context, *proc.Child) error {
	return func(ctx context.Context, child *proc.Child) error {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			err := once(ctx, serves)
			if err == nil {
				return nil
			}
			select {
			case <-child.Done():
				return child.Ended()
			case <-ctx.Done():
				return fmt.Errorf("it does not serve: %w\n%s", err, child.Tail(10))
			case <-tick.C:
			}
		}
	}
}

func once(ctx context.Context, serves func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return serves(ctx)
}
