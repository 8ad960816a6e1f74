// Package doctor looks a configuration and the cluster that it names over, and
// says what is wrong and which line of the configuration to change. It is what
// `session doctor` and `authsession doctor` share; what to look at is theirs.
//
// Checks are made one after the other. One that depends on another is skipped
// when that has found a fault; what a check finds to ask about (the nodes on a
// list) are checks, too, and made side by side. Nothing that is asked changes
// anything.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Grade is how well something is.
type Grade string

// Grades.
const (
	OK      Grade = "ok"
	Warn    Grade = "warn"    // works, and may not for long, or not for all
	Fault   Grade = "fault"   // does not work
	Skipped Grade = "skipped" // cannot be told
)

// Finding is something that is not as it should be.
type Finding struct {
	Grade   Grade
	Problem string // a sentence
	Key     string // of the configuration, written as in a conf.KeyError; empty: it is not there
	Fix     string // what to do about it
}

// Result is what a check has found.
type Result struct {
	Well     string    // what there is, where nothing is wrong
	Skipped  string    // why nothing can be said
	Findings []Finding // what is wrong
	Then     []Check   // what can be looked at now, side by side
}

// Well is the result of a check that has found nothing wrong.
func Well(format string, args ...any) Result { return Result{Well: fmt.Sprintf(format, args...)} }

// Wrong is the result of a check that has found one thing, to be mended by the
// configuration's key.
func Wrong(grade Grade, key, fix, format string, args ...any) Result {
	return Result{Findings: []Finding{{Grade: grade, Problem: fmt.Sprintf(format, args...), Key: key, Fix: fix}}}
}

// Failed is the result of a check that an error ends: a *conf.KeyError names its own
// key, else key is to be changed.
func Failed(key string, err error) Result {
	own := (*conf.KeyError)(nil)
	if errors.As(err, &own) {
		return Wrong(Fault, own.Key, own.Fix, "%s %s", own.Key, own.Problem)
	}
	return Wrong(Fault, key, "", "%v", err)
}

// Check is one thing to look at.
type Check struct {
	Name   string        // says what; no two checks have the same
	Needs  string        // name of the check without which this one makes no sense
	Within time.Duration // how long it may take. Zero value means 5 s
	Run    func(ctx context.Context) Result
}

const (
	within = 5 * time.Second
	grace  = time.Second // for a check to notice that its time is over
	atOnce = 32          // checks that are made side by side
)

// Line is what is said of a check: one line if all is well, else one for each
// finding.
type Line struct {
	Check   string `json:"check"`
	Grade   Grade  `json:"grade"`
	Text    string `json:"text,omitempty"`
	Key     string `json:"key,omitempty"`
	AtLine  int    `json:"line,omitempty"` // of the configuration file
	Fix     string `json:"fix,omitempty"`
	TookMS  int64  `json:"took_ms"`
	printed string // Key, with file and line
}

// Report is what was found.
type Report struct {
	Config   string `json:"config"`
	Result   Grade  `json:"result"` // the worst: ok, warn or fault
	OK       int    `json:"ok"`
	Warnings int    `json:"warnings"`
	Faults   int    `json:"faults"`
	Skipped  int    `json:"skipped"`
	Checks   []Line `json:"checks"`
}

// run is the state of one Run.
type run struct {
	file   string
	tell   func(Line)
	failed map[string]bool
	report Report
}

// Run makes all checks of the configuration at file, and calls tell with each
// line as soon as it is known. It ends early, without an error, when ctx does.
func Run(ctx context.Context, file string, checks []Check, tell func(Line)) Report {
	r := &run{file: file, tell: tell, failed: map[string]bool{}, report: Report{Config: file, Result: OK}}
	for _, c := range checks {
		r.finish(ctx, c, r.begin(ctx, c))
	}
	return r.report
}

// outcome is a result with the time it took.
type outcome struct {
	Result
	took time.Duration
}

// begin starts a check and returns where its outcome will be.
func (r *run) begin(ctx context.Context, c Check) <-chan outcome {
	out := make(chan outcome, 1)
	if c.Needs != "" && r.failed[c.Needs] {
		r.failed[c.Name] = true
		out <- outcome{Result: Result{Skipped: "needs " + c.Needs}}
		return out
	}
	limit := c.Within
	if limit == 0 {
		limit = within
	}
	began := time.Now()
	result := make(chan Result, 1)
	go func() {
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		result <- c.Run(bounded)
	}()
	go func() {
		late := time.NewTimer(limit + grace)
		defer late.Stop()
		select {
		case found := <-result:
			out <- outcome{found, time.Since(began)}
		case <-late.C:
			out <- outcome{Wrong(Fault, "", "", "no answer within %v", limit), time.Since(began)}
		}
	}()
	return out
}

// finish waits for a check, tells what it found, and makes what follows from it.
func (r *run) finish(ctx context.Context, c Check, out <-chan outcome) {
	o := <-out
	took := o.took.Round(time.Millisecond).Milliseconds()
	for _, f := range o.Findings {
		r.failed[c.Name] = r.failed[c.Name] || f.Grade == Fault
		line := Line{Check: c.Name, Grade: f.Grade, Text: f.Problem, Key: f.Key, Fix: f.Fix, TookMS: took}
		if f.Key != "" {
			line.AtLine = conf.Line(r.file, f.Key)
			line.printed = f.Key
			if line.AtLine > 0 {
				line.printed = fmt.Sprintf("%s:%d %s", r.file, line.AtLine, f.Key)
			}
		}
		r.add(line)
	}
	switch {
	case len(o.Findings) > 0:
	case o.Skipped != "":
		r.add(Line{Check: c.Name, Grade: Skipped, Text: o.Skipped, TookMS: took})
	default:
		r.add(Line{Check: c.Name, Grade: OK, Text: o.Well, TookMS: took})
	}
	for some := range slices.Chunk(o.Then, atOnce) {
		outs := make([]<-chan outcome, len(some))
		for i, next := range some {
			outs[i] = r.begin(ctx, next)
		}
		for i, next := range some {
			r.finish(ctx, next, outs[i])
		}
	}
}

func (r *run) add(line Line) {
	switch line.Grade {
	case OK:
		r.report.OK++
	case Skipped:
		r.report.Skipped++
	case Warn:
		r.report.Warnings++
		if r.report.Result == OK {
			r.report.Result = Warn
		}
	case Fault:
		r.report.Faults++
		r.report.Result = Fault
	}
	r.report.Checks = append(r.report.Checks, line)
	r.tell(line)
}

// Config is the check of the file itself, for a configuration that was loaded with
// warnings, notes and an error.
func Config(file string, warnings, notes []string, err error) Check {
	return Check{Name: "config", Run: func(context.Context) Result {
		var r Result
		for _, w := range warnings {
			key, fix := "", ""
			if words := strings.Fields(w); strings.HasPrefix(w, "config key ") && len(words) > 2 {
				key, fix = words[2], "correct it or take it out"
			}
			r.Findings = append(r.Findings, Finding{Grade: Warn, Problem: w, Key: key, Fix: fix})
		}
		if err != nil {
			r.Findings = append(r.Findings, Failed("", err).Findings...)
		}
		r.Well = strings.Join(append([]string{file + " is in order"}, notes...), "; ")
		return r
	}}
}
