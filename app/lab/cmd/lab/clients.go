package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tgsession/tgsession/app/lab/clients"
	"github.com/tgsession/tgsession/app/lab/cluster"
)

func runClients(args []string) int {
	fs := flag.NewFlagSet("lab clients", flag.ContinueOnError)
	var o options
	o.define(fs, "a temporary one, kept when a step fails")
	var cfg clients.Config
	fs.StringVar(&cfg.Programs, "programs", "clients", "`directory` with the client programs")
	only := fs.String("only", "", "`parts` of names of clients, separated by commas; the others are left out")
	steps := fs.String("steps", "", "`names` of steps, separated by commas; the others are left out but for connect and login")
	fs.BoolVar(&cfg.Short, "short", false, "one release of each client, without the long steps: about 3 minutes")
	fs.IntVar(&cfg.Jobs, "jobs", 0, "how many clients are walked at a time where much is computed (default 2)")
	session := fs.String("session", "", "`program` that is the session service (default: this one)")
	authsession := fs.String("authsession", "", "`program` that is the authsession service (default: this one)")
	fs.DurationVar(&cfg.SaltLife, "salt-life", 0, "how long a salt is used (default 1m0s, in the short form 30s, in a soak half an hour)")
	fs.DurationVar(&cfg.Soak, "soak", 0, "how long clients are used and left alone, in place of the walk")
	markdown := fs.String("markdown", "", "`file` that the table is written to as Markdown, too")
	fs.Usage = func() { clientsUsage(fs) }
	if code, ok := parse(fs, args); !ok {
		return code
	}
	cfg.Only, cfg.Steps = split(*only), split(*steps)
	if err := cfg.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "lab clients:", err)
		return exitUsage
	}
	temporary := o.data == ""
	if temporary {
		dir, err := os.MkdirTemp("", "tgsession-clients-")
		if err != nil {
			return fail("clients", err)
		}
		o.data = dir
	}
	table, err := o.clients(cfg, *session, *authsession)
	if table != nil {
		table.Print(os.Stdout)
		err = errors.Join(err, writeMarkdown(table, *markdown))
	}
	logs := filepath.Join(o.data, "logs")
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nlogs: %s\n", logs)
		return fail("clients", err)
	}
	if n := table.Failed(); n > 0 {
		fmt.Fprintf(os.Stderr, "\n%d steps failed; logs: %s\n", n, logs)
		return exitFailure
	}
	if temporary {
		_ = os.RemoveAll(o.data)
	}
	return exitOK
}

func clientsUsage(fs *flag.FlagSet) {
	w := fs.Output()
	fmt.Fprint(w, `usage: lab clients [FLAGS]

Starts a cluster and walks real clients through what people do with them: they
log in, talk, send files, lose their network, live through restarts, log out.
Clients whose programs cannot be made here are skipped, with the reason. Exit
code 1: a step failed.

`)
	fs.PrintDefaults()
	fmt.Fprint(w, "\nsteps:\n")
	names, about := (&clients.Config{}).Names()
	for i, name := range names {
		fmt.Fprintf(w, "  %-8s %s\n", name, about[i])
	}
}

// clients runs the matrix on a cluster of its own.
func (o *options) clients(cfg clients.Config, session, authsession string) (*clients.Table, error) {
	config, closeLogs, err := o.config()
	if err != nil {
		return nil, err
	}
	defer closeLogs()
	if session != "" {
		config.Session = []string{session}
	}
	if authsession != "" {
		config.AuthSession = []string{authsession}
	}
	ctx, stop := untilSignal()
	defer stop()
	cfg.Dir, cfg.Progress = o.data, os.Stderr
	cfg.Start = func(ctx context.Context, needs clients.Needs) (*cluster.Cluster, error) {
		config.Passwords, config.Slow, config.SaltLife = needs.Passwords, needs.Slow, needs.SaltLife
		config.EntryDC = entryDC
		return cluster.Start(ctx, config)
	}
	return clients.Run(ctx, cfg)
}

func writeMarkdown(t *clients.Table, file string) error {
	if file == "" {
		return nil
	}
	var text strings.Builder
	t.Markdown(&text)
	return os.WriteFile(file, []byte(text.String()), 0o600)
}
