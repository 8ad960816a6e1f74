package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tgsession/tgsession/app/lab/chaos"
)

const chaosAbout = `usage: lab chaos [FLAGS]

Starts a cluster of three session nodes, two authsession nodes, two gateways and
three members of etcd, has real clients talk, and makes faults: parts are ended,
stand still and come back, links break and get slow, nodes join and leave. Each
fault comes once, then they come at random. Prints for each what was lost, what
was carried out twice and how long until all was well. Exit code 1: something
was lost, or carried out twice although no session node was killed.

Servers (MariaDB, Redis) are started where they are installed; else those of
-mysql, -redis and -etcd are used, and never ended.

`

func runChaos(args []string) int {
	fs := flag.NewFlagSet("lab chaos", flag.ContinueOnError)
	var o options
	o.define(fs, "a temporary one, kept when something did not hold")
	var c chaos.Config
	session := fs.String("session", "", "`program` that is the session service (default: this one)")
	authsession := fs.String("authsession", "", "`program` that is the authsession service (default: this one)")
	fs.StringVar(&c.Site.EtcdProgram, "etcd-program", "", "`program` that is etcd, to start three members (default: that of -etcd is used)")
	fs.StringVar(&c.Programs, "programs", "", "`directory` with the client programs, for mtcute (default: gotd alone)")
	fs.DurationVar(&c.For, "for", 10*time.Minute, "how long faults are made; each comes once in any case")
	fs.Uint64Var(&c.Seed, "seed", uint64(time.Now().UnixNano()), "`number` that makes the plan (default: another one each time)")
	fs.BoolVar(&c.Short, "short", false, "a few faults, each once: less than 3 minutes")
	only := fs.String("only", "", "`parts` of names of faults, separated by commas; the others are left out")
	fs.DurationVar(&c.Pace, "pace", 500*time.Millisecond, "`time` between two messages of one sender")
	// A unary push that a node has not taken is lost, and no session can know.
	o.stream, fs.Lookup("stream").DefValue = true, "true"
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), chaosAbout)
		fs.PrintDefaults()
	}
	if code, ok := parse(fs, args); !ok {
		return code
	}
	c.Only = split(*only)
	temporary := o.data == ""
	if temporary {
		dir, err := os.MkdirTemp("", "tgsession-chaos-")
		if err != nil {
			return fail("chaos", err)
		}
		o.data = dir
	}
	result, err := o.chaos(c, *session, *authsession)
	if result != nil {
		result.Print(os.Stdout)
		if err == nil && !result.OK() {
			err = errors.New("something did not hold")
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nlogs: %s\n", filepath.Join(o.data, "logs"))
		return fail("chaos", err)
	}
	if temporary {
		_ = os.RemoveAll(o.data)
	}
	return exitOK
}

// chaos runs it with the options that the commands have in common.
func (o *options) chaos(c chaos.Config, session, authsession string) (*chaos.Result, error) {
	config, closeLogs, err := o.config()
	if err != nil {
		return nil, err
	}
	defer closeLogs()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c.Site.Dir, c.Site.Session, c.Site.AuthSession = o.data, config.Session, config.AuthSession
	if session != "" {
		c.Site.Session = []string{session}
	}
	if authsession != "" {
		c.Site.AuthSession = []string{authsession}
	}
	c.Site.Gateway = []string{self, "service", "gateway"}
	c.Site.MySQL, c.Site.Redis, c.Site.Etcd = o.mysql, o.redis, config.Etcd
	c.Site.Stream, c.Site.Log, c.Site.BFFLog = o.stream, config.Log, config.BFFLog
	c.Progress = os.Stderr
	ctx, stop := untilSignal()
	defer stop()
	return chaos.Run(ctx, c)
}
