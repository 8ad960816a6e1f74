package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/demo"
)

func runDemo(args []string) int {
	fs := flag.NewFlagSet("lab demo", flag.ContinueOnError)
	var o options
	o.define(fs, "a temporary one, kept when the demo fails")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	temporary := o.data == ""
	if temporary {
		dir, err := os.MkdirTemp("", "tgsession-demo-")
		if err != nil {
			return fail("demo", err)
		}
		o.data = dir
	}
	n, err := o.demo()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nlab demo: failed after %d steps: %v\n\nlogs: %s\n", n, err, filepath.Join(o.data, "logs"))
		return exitFailure
	}
	if temporary {
		_ = os.RemoveAll(o.data)
	}
	fmt.Printf("demo: %d steps passed\n", n)
	return exitOK
}

// demo starts a cluster, plays the scenario and returns how many steps passed.
func (o *options) demo() (passed int, err error) {
	cfg, closeLogs, err := o.config()
	if err != nil {
		return 0, err
	}
	defer closeLogs()
	clients, err := os.Create(filepath.Join(o.data, "logs", "clients.log"))
	if err != nil {
		return 0, err
	}
	defer clients.Close()

	ctx, stop := untilSignal()
	defer stop()
	begin := time.Now()
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	report := func(s demo.Step) {
		passed++
		fmt.Printf("%3d  %-52s %10s\n", passed, s.Name, s.Took.Round(100*time.Microsecond))
	}
	report(demo.Step{Name: "the cluster starts", Took: time.Since(begin)})
	_, err = demo.Run(ctx, demo.Target{
		Addr:               c.Addr(),
		Key:                c.PublicKey(),
		DC:                 c.DC(),
		Code:               bff.DefaultCode,
		Online:             c.Online,
		RestartAuthSession: c.RestartAuthSession,
		RestartSession:     c.RestartSession,
		ClientLog:          clients,
	}, report)
	return passed, err
}
