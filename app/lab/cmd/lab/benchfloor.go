package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tgsession/tgsession/app/lab/bench/versus"
)

const benchFloorAbout = `Usage: lab bench --floor [flags]

Measures what session costs in parts of what the floor costs: a bare gRPC
program that makes the same hops between the same peers and knows no MTProto.
Each pair of measurements is one of session and one of the floor.

`

func runBenchFloor(args []string) int {
	fs := flag.NewFlagSet("lab bench", flag.ContinueOnError)
	c := versus.Config{Progress: os.Stderr}
	fs.Bool("floor", true, "compare session with the floor")
	session := fs.String("session", "", "`program` that is the session service (default: this one)")
	fs.IntVar(&c.Pairs, "pairs", 5, "`number` of measurements of each")
	fs.IntVar(&c.Operations, "operations", 10_000, "`number` of operations in a measurement")
	fs.IntVar(&c.Callers, "callers", 64, "`number` of operations under way at a time")
	fs.IntVar(&c.Keys, "keys", 1000, "`number` of logged-in keys")
	only := fs.String("rows", "", "`names` of rows, separated by commas; the others are left out")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), benchFloorAbout)
		fs.PrintDefaults()
	}
	if code, ok := parse(fs, args); !ok {
		return code
	}
	c.Rows = versus.Rows()
	if names := split(*only); len(names) > 0 {
		c.Rows = slices.DeleteFunc(c.Rows, func(r versus.Row) bool { return !slices.Contains(names, r.Key) })
	}
	if err := benchFloor(c, *session); err != nil {
		return fail("bench", err)
	}
	return exitOK
}

func benchFloor(c versus.Config, session string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tgsession-bench-")
	if err != nil {
		return err
	}
	c.Dir, c.Session, c.Floor = dir, []string{self, "service", "session"}, []string{self, "service", "floor"}
	if session != "" {
		if session, err = filepath.Abs(session); err != nil {
			return err
		}
		c.Session = []string{session}
	}
	ctx, stop := untilSignal()
	defer stop()
	results, err := versus.Run(ctx, c)
	if len(results) > 0 {
		err = errors.Join(err, versus.Print(os.Stdout, results))
	}
	if err != nil {
		return fmt.Errorf("%w (logs: %s)", err, dir)
	}
	return os.RemoveAll(dir)
}
