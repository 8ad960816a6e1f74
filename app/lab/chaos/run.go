package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/chaos/load"
	"github.com/tgsession/tgsession/app/lab/chaos/plan"
	"github.com/tgsession/tgsession/app/lab/chaos/site"
	"github.com/tgsession/tgsession/app/lab/pause"
)

const (
	// calm is how long the cluster is left alone before the first fault and after
	// each; briefly in the short form.
	calm    = 8 * time.Second
	briefly = 3 * time.Second
	// alone is how many clients are left alone: enough for one in each fault. In
	// the short form they are few, because key exchanges take their time.
	alone = 8
	few   = 4
	// startTimeout bounds the start of the cluster and of the clients, each.
	startTimeout = 3 * time.Minute
	// reportEvery is how often progress is told.
	reportEvery = time.Minute
)

// Config of a run. Site and For are needed.
type Config struct {
	Site site.Config
	// For is how long faults are made. The turn comes to its end in any case.
	For time.Duration
	// Seed makes the plan.
	Seed uint64
	// Short makes the faults of plan.Brief, each once, and no others.
	Short bool
	// Only, unless it is empty, are parts of names of faults; those that have
	// none of them are left out.
	Only []string
	// Programs is the folder with the client programs. Empty: gotd alone.
	Programs string
	// Pace is between two messages of a sender. Zero means 500ms.
	Pace time.Duration
	// Progress takes a line for each fault, and others now and then. Nil means
	// nothing.
	Progress io.Writer
}

// Result is what came out.
type Result struct {
	*check.Verdict
	// Skipped are faults that could not be made here, with the reason.
	Skipped []string
	// Panics are lines of the parts' output that tell of one.
	Panics []string
}

// OK tells whether everything held.
func (r *Result) OK() bool { return r.Verdict.OK() && len(r.Panics) == 0 }

// run is a run under way.
type run struct {
	cfg    Config
	site   *site.Site
	load   *load.Load
	record *load.Record
	began  time.Time
	told   time.Time // when progress was told
}

// Run makes chaos and judges. The error is about the run itself: a part that did
// not come back, say; what clients saw is in the result, which is there with an
// error, too, once faults were made.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	cfg.Pace = cmp.Or(cfg.Pace, 500*time.Millisecond)
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	r := &run{cfg: cfg, record: load.NewRecord(), began: time.Now()}
	r.cfg.Site.Sent = r.record.Sent
	defer r.close()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	types, skipped := r.types()
	if len(types) == 0 {
		return nil, errors.New("chaos: no fault can be made")
	}
	err := r.faults(ctx, plan.New(cfg.Seed, types))
	r.say("settling")
	r.load.Settle(ctx)
	h := r.record.History()
	return &Result{Verdict: check.Judge(h), Skipped: skipped, Panics: r.panics()}, errors.Join(err, r.keep(h))
}

// keep writes the history down, for who looks into what went wrong.
func (r *run) keep(h check.History) error {
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	return os.WriteFile(filepath.Join(r.cfg.Site.Dir, "logs", "history.json"), text, 0o600)
}

// say tells progress, with the time of day, by which it is found in the logs.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.cfg.Progress, "%s %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

func (r *run) start(ctx context.Context) (err error) {
	r.say("seed %d; starting the cluster", r.cfg.Seed)
	ctx, cancel := context.WithTimeout(ctx, 2*startTimeout)
	defer cancel()
	if r.site, err = site.Start(ctx, r.cfg.Site); err != nil {
		return err
	}
	r.say("starting the clients")
	left := alone
	if r.cfg.Short {
		left = few
	}
	r.load, err = load.Start(ctx, load.Config{
		Place:  load.Place{Gateways: r.site.Gateways, Key: r.site.Key(), DC: site.DC},
		Record: r.record, Dir: r.cfg.Site.Dir, Programs: r.cfg.Programs, Pace: r.cfg.Pace, Alone: left,
		Note: func(what string) { r.say("%s", what) },
	})
	return err
}

func (r *run) close() {
	if r.load != nil {
		r.load.Close()
	}
	if r.site != nil {
		r.site.Close()
	}
}

// types are the faults of this run.
func (r *run) types() (types []plan.Type, skipped []string) {
	all := plan.All()
	if r.cfg.Short {
		all = plan.Brief()
	}
	for _, t := range all {
		if !wanted(t, r.cfg.Only) {
			continue
		}
		if why := r.site.Skipped[t]; why != "" {
			skipped = append(skipped, fmt.Sprintf("%s: %s", t, why))
			continue
		}
		types = append(types, t)
	}
	return types, skipped
}

// faults makes one fault after the other.
func (r *run) faults(ctx context.Context, p *plan.Plan) error {
	rest := calm
	if r.cfg.Short {
		rest = briefly
	}
	r.load.Tell()
	_ = pause.For(ctx, rest)
	end := time.Now().Add(r.cfg.For)
	for n := 1; ctx.Err() == nil; n++ {
		if p.Left() == 0 && (r.cfg.Short || time.Now().After(end)) {
			return nil
		}
		f := p.Next(r.site.Extra())
		if err := r.fault(ctx, n, f); err != nil {
			return fmt.Errorf("chaos: fault %d, %s: %w", n, f.Type, err)
		}
		_ = pause.For(ctx, rest)
		if err := r.site.Failed(); err != nil {
			return fmt.Errorf("chaos: after fault %d, %s: %w", n, f.Type, err)
		}
		r.report()
	}
	return ctx.Err()
}

// fault makes one fault, and has somebody be told of a message in the middle of
// it who hears nothing else.
func (r *run) fault(ctx context.Context, n int, f plan.Fault) error {
	begin := time.Now()
	healed := r.record.Fault(f.Type.String(), f.Kills(), f.Stops())
	telling, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = pause.For(telling, f.For/2)
		r.load.Tell()
	}()
	err := r.site.Make(ctx, f, func(what string) {
		r.say("fault %d: %s (%s) for %s", n, f.Type, what, f.For.Round(time.Millisecond))
	})
	healed()
	cancel()
	<-told
	if err == nil {
		r.say("fault %d is over after %s", n, time.Since(begin).Round(time.Millisecond))
	}
	return err
}

// report tells how it goes, now and then.
func (r *run) report() {
	if time.Since(r.told) < reportEvery {
		return
	}
	r.told = time.Now()
	taken, seen, failed := r.record.Figures()
	r.say("%s: %d messages taken, %d seen, %d calls failed", time.Since(r.began).Round(time.Second), taken, seen, failed)
}

// panics finds those of the parts in what they have written.
func (r *run) panics() (lines []string) {
	files, _ := filepath.Glob(filepath.Join(r.cfg.Site.Dir, "logs", "*.out"))
	slices.Sort(files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, l := range panicking(string(text)) {
			lines = append(lines, filepath.Base(f)+": "+l)
		}
	}
	return lines
}
