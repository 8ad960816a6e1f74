package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/lab/bench/versus"
)

const benchFloorAbout = `Usage: lab bench --floor [flags]

Measures what session costs in parts of what the floor costs: a bare gRPC
program that makes the same hops between the same peers and knows no MTProto.
Each pair of measurements is one of session and one of the floor, right after
each other; what counts is the CPU time of the one process. Exit code 1: an
operation was lost, or, with --short, a row costs 1.5 times what is documented
(app/lab/bench/versus/documented.json).

`

// benchFloor is the flags that are none of the measurement's own.
type benchFloor struct {
	session, only, json, html, growth string
	skipIdle, short                   bool
}

func runBenchFloor(args []string) int {
	fs := flag.NewFlagSet("lab bench", flag.ContinueOnError)
	var b benchFloor
	c := versus.Config{Progress: os.Stderr}
	fs.Bool("floor", true, "compare session with the floor")
	fs.StringVar(&b.session, "session", "", "`program` that is the session service (default: this one)")
	fs.StringVar(&b.only, "rows", "", "`names` of rows, separated by commas; the others are left out")
	fs.StringVar(&b.growth, "growth", "", "compare session with itself instead: nodes with these `numbers` of active keys, separated by commas (rows: call and push, unless --rows names others)")
	fs.BoolVar(&b.skipIdle, "skip-idle", false, "leave out the rows about keys that do nothing: they take five minutes")
	fs.BoolVar(&b.short, "short", false, "two rows, two pairs of 5,000 calls or 20,000 pushes, 500 keys: less than 40 seconds")
	fs.IntVar(&c.Pairs, "pairs", 5, "`number` of measurements of each of the two")
	fs.IntVar(&c.Operations, "operations", 10_000, "`number` of calls in a measurement; pushes are four times as many")
	fs.IntVar(&c.Callers, "callers", 64, "`number` of operations under way at a time")
	fs.IntVar(&c.Keys, "keys", 1000, "`number` of logged-in keys")
	fs.StringVar(&b.json, "json", "", "`file` that the report is written to for programs, too")
	fs.StringVar(&b.html, "html", "", "`file` that the report is written to as a page with charts, too")
	fs.StringVar(&c.ProfileDir, "profile", "", "`directory` for CPU, heap and allocation profiles of session, of each row")
	fs.Usage = func() {
		w := fs.Output()
		fmt.Fprint(w, benchFloorAbout)
		fs.PrintDefaults()
		fmt.Fprint(w, "\nrows:\n")
		for _, r := range versus.Rows() {
			fmt.Fprintf(w, "  %-12s %s\n", r.Key, r.Name)
		}
		for _, s := range versus.States() {
			fmt.Fprintf(w, "  %-12s %s\n", s.Key, s.Name)
		}
	}
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if err := b.choose(&c); err != nil {
		fmt.Fprintf(os.Stderr, "lab bench: %v\n", err)
		return exitUsage
	}
	ctx, stop := untilSignal()
	defer stop()
	if err := b.run(ctx, c); err != nil {
		return fail("bench", err)
	}
	return exitOK
}

// choose fills in what is measured.
func (b *benchFloor) choose(c *versus.Config) error {
	names := split(b.only)
	c.ProfileFor = 5 * time.Second
	if b.short {
		c.Pairs, c.Operations, c.Keys = 2, 5000, 500
		if len(names) == 0 {
			names = versus.ShortRows
		}
	}
	if b.growth != "" && len(names) == 0 {
		names = versus.ShortRows
	}
	c.Rows, c.Idle, c.IdleKeys, c.QuietKeys, c.Quiet = versus.Rows(), versus.States(), 50_000, 10_000, time.Minute
	known := map[string]bool{}
	c.Rows = slices.DeleteFunc(c.Rows, func(r versus.Row) bool {
		known[r.Key] = true
		return len(names) > 0 && !slices.Contains(names, r.Key)
	})
	c.Idle = slices.DeleteFunc(c.Idle, func(s versus.State) bool {
		known[s.Key] = true
		return b.skipIdle || len(names) > 0 && !slices.Contains(names, s.Key)
	})
	for _, n := range names {
		if !known[n] {
			return fmt.Errorf("--rows: there is no row %q", n)
		}
	}
	return nil
}

// run measures, and writes the report also when it is not whole.
func (b *benchFloor) run(ctx context.Context, c versus.Config) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.Session, c.Floor = []string{self, "service", "session"}, []string{self, "service", "floor"}
	if b.session != "" {
		program, err := filepath.Abs(b.session)
		if err != nil {
			return err
		}
		c.Session = []string{program}
	}
	if c.Dir, err = os.MkdirTemp("", "tgsession-bench-"); err != nil {
		return err
	}
	logx.DisableStat()
	logx.SetWriter(logx.NewWriter(io.Discard))
	if b.growth != "" {
		return b.grow(ctx, c)
	}
	report, err := versus.Run(ctx, c)
	if report != nil && len(report.Rows)+len(report.Idle) > 0 {
		err = errors.Join(err, b.write(report))
	}
	if err != nil {
		return fmt.Errorf("%w\nlogs: %s", err, c.Dir)
	}
	return os.RemoveAll(c.Dir)
}

// grow measures nodes with more and more keys.
func (b *benchFloor) grow(ctx context.Context, c versus.Config) error {
	var keys []int
	for _, text := range split(b.growth) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("--growth: %w", err)
		}
		keys = append(keys, n)
	}
	all, err := versus.Grow(ctx, c, keys)
	return errors.Join(err, versus.PrintGrowth(os.Stdout, all), os.RemoveAll(c.Dir))
}

// write writes the report where it is asked for, and judges it.
func (b *benchFloor) write(report *versus.Report) error {
	err := report.Print(os.Stdout)
	for _, to := range []struct {
		file  string
		write func(io.Writer) error
	}{{b.json, report.JSON}, {b.html, report.HTML}} {
		if to.file == "" {
			continue
		}
		var text strings.Builder
		err = errors.Join(err, to.write(&text), os.WriteFile(to.file, []byte(text.String()), 0o600))
	}
	if n := report.Lost(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d operations were lost", n))
	}
	if b.short {
		documented, known := versus.Documented()
		err = errors.Join(err, known, report.Compare(documented))
	}
	return err
}
