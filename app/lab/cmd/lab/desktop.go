package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/lab/clients/netns"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/desktop"
)

func runDesktop(args []string) int {
	fs := flag.NewFlagSet("lab desktop", flag.ContinueOnError)
	var o options
	o.define(fs, "a temporary one, kept when a step fails")
	screenshot := fs.String("screenshot", "", "`file` for a picture (PNG) of Desktop in the middle of a talk")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	temporary := o.data == ""
	if temporary {
		dir, err := os.MkdirTemp("", "tgsession-desktop-")
		if err != nil {
			return fail("desktop", err)
		}
		o.data = dir
	}
	if err := o.desktop(*screenshot); err != nil {
		fmt.Fprintf(os.Stderr, "\nlab desktop: %v\n\nlogs, and what the screen showed: %s\n", err, o.data)
		return exitFailure
	}
	if temporary {
		_ = os.RemoveAll(o.data)
	}
	return exitOK
}

func (o *options) desktop(screenshot string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	if err := desktop.Missing(ctx, self, "inside"); err != nil {
		return err
	}
	config, closeLogs, err := o.config()
	if err != nil {
		return err
	}
	defer closeLogs()
	dir := filepath.Join(o.data, "desktop")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	n := 0
	return desktop.Run(ctx, desktop.Config{
		Dir: dir, Self: []string{self, "inside"}, Screenshot: screenshot, Notes: os.Stdout,
		Start: func(ctx context.Context) (*cluster.Cluster, error) { return cluster.Start(ctx, config) },
		Passed: func(name string, took time.Duration) {
			n++
			fmt.Printf("%3d  %-52s %10s\n", n, name, took.Round(100*time.Microsecond))
		},
	})
}

// runInside is what a program's network namespace begins with. Standard output
// is the program's: go-zero's statistics would mix into it.
func runInside(args []string) int {
	logx.Disable()
	return netns.Main(args, os.Stderr)
}
