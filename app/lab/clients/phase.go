package clients

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// step is one row of the table.
type step struct {
	name  string
	about string
	// run takes the step; what it returns is judged.
	run func(ctx context.Context, w *walk, c *Cell) error
	// full marks a step of the full form alone.
	full bool
	// bound is the longest it may take. Zero means stepTimeout.
	bound time.Duration
}

// stepTimeout is the longest that most steps may take.
const stepTimeout = time.Minute

// phase is a part of the walk that begins for all clients together.
type phase struct {
	// lanes are steps one after the other; a client's lanes go side by side.
	lanes [][]step
	// busy phases compute much: a bounded number of clients is in them.
	busy bool
	// before comes before shared and tells the steps what they will judge.
	// Nil: there is nothing to begin.
	before func(ctx context.Context, w *walk)
	// shared is done once, when all have done before. Nil: nothing.
	shared func(ctx context.Context, r *run) error
}

func (p phase) steps() (all []step) {
	for _, lane := range p.lanes {
		all = append(all, lane...)
	}
	return all
}

// run takes all walks through the phase.
func (p phase) run(ctx context.Context, r *run, walks []*walk) error {
	if !r.any(p.steps()) {
		return nil
	}
	slots := len(walks)
	if p.busy {
		slots = r.cfg.Jobs
	}
	each := func(f func(w *walk)) {
		slot := make(chan struct{}, slots)
		var all sync.WaitGroup
		for _, w := range walks {
			all.Go(func() {
				slot <- struct{}{}
				defer func() { <-slot }()
				f(w)
			})
		}
		all.Wait()
	}
	if p.before != nil {
		each(func(w *walk) { p.before(ctx, w) })
	}
	if p.shared != nil {
		if err := p.shared(ctx, r); err != nil {
			return err
		}
	}
	each(func(w *walk) {
		var lanes sync.WaitGroup
		for _, lane := range p.lanes {
			lanes.Go(func() {
				for _, s := range lane {
					w.take(ctx, s)
				}
			})
		}
		lanes.Wait()
	})
	return nil
}

// any tells whether one of the steps is asked for.
func (r *run) any(steps []step) bool {
	for _, s := range steps {
		if r.asked(s) {
			return true
		}
	}
	return false
}

// asked tells whether a step is asked for. Without a login there are no others.
func (r *run) asked(s step) bool {
	if s.name == "connect" || s.name == "login" {
		return true
	}
	if len(r.cfg.Steps) == 0 {
		return !s.full || !r.cfg.Short
	}
	for _, name := range r.cfg.Steps {
		if name == s.name {
			return true
		}
	}
	return false
}

// take takes one step and puts its cell into the table.
func (w *walk) take(ctx context.Context, s step) {
	if !w.run.asked(s) || ctx.Err() != nil {
		return
	}
	bound := s.bound
	if bound == 0 {
		bound = stepTimeout
	}
	if w.user == 0 && s.name != "connect" && s.name != "login" {
		w.put(s, Cell{Mark: Past})
		return
	}
	begin := time.Now()
	limited, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var c Cell
	err := s.run(limited, w, &c)
	took := c.Took
	if took == 0 || err != nil {
		took = time.Since(begin)
	}
	c = judge(err, took, c.Note)
	w.put(s, c)
	if c.Mark == Fail {
		w.recover(ctx)
	}
}

func (w *walk) put(s step, c Cell) {
	w.run.table.set(w.client.Name, s.name, c)
	fmt.Fprintf(w.run.cfg.Progress, "%-22s %-44s %-4s %6d ms  %s\n", w.client.Name, s.about, c.Mark, c.Took.Milliseconds(), oneLine(c.Note))
}
