package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
)

// untilSignal ends with SIGINT or SIGTERM, which are taken from go-zero: it
// would kill the process in its own time. A second signal ends the process.
func untilSignal() (context.Context, context.CancelFunc) {
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

const (
	// slowTime is what bff.SlowMethod takes, less than session waits for it.
	slowTime = 3 * time.Second
	// entryDC is where TDLib begins.
	entryDC = 1
	// passwordPhone owes a password after the code, once it has signed up.
	passwordPhone = "99966008"
	password      = "hunter2"
)

func runCluster(args []string) int {
	fs := flag.NewFlagSet("lab run", flag.ContinueOnError)
	var o options
	data := "tgsession-lab"
	if dir, err := os.UserCacheDir(); err == nil {
		data = filepath.Join(dir, data)
	}
	o.define(fs, data)
	listen := fs.String("listen", "127.0.0.1:10443", "`host:port` for clients")
	entry := fs.String("entry", "", "`host:port` for clients that begin at data centre 1: they are sent to 2 (default: none)")
	console := fs.String("console", "127.0.0.1:20453", "`host:port` for the session console and the admin API; empty: none")
	issuer := fs.String("console-issuer", "", "`URL` of an OpenID Connect issuer for signing in to the console, as client lab, with the role operator in the claim groups")
	saltLife := fs.Duration("salt-life", 0, "how long each server salt is the current one, 10s at least (default 30m)")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if o.data == "" {
		o.data = data
	}
	cfg, closeLogs, err := o.config()
	if err != nil {
		return fail("run", err)
	}
	defer closeLogs()
	cfg.ListenOn = *listen
	if *entry != "" {
		cfg.EntryDC, cfg.EntryListenOn = entryDC, *entry
	}
	cfg.ListenOn, cfg.SaltLife, cfg.Console, cfg.ConsoleIssuer = *listen, *saltLife, *console, *issuer
	cfg.Passwords = map[string]string{passwordPhone: password}
	cfg.Slow = map[string]time.Duration{bff.SlowMethod: slowTime}

	ctx, stop := untilSignal()
	defer stop()
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return exitOK
		}
		return fail("run", err)
	}
	defer c.Close()
	describe(os.Stdout, c)
	if err := describeConsole(os.Stdout, c); err != nil {
		return fail("run", err)
	}
	fmt.Println("\nCtrl-C stops everything.")
	if err := c.Failed(ctx); err != nil {
		return fail("run", err)
	}
	fmt.Println("stopping")
	return exitOK
}

// describe tells how to connect.
func describe(w io.Writer, c *cluster.Cluster) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.Parts() {
		fmt.Fprintf(t, "%s\t%s\n", p.Name, p.Addr)
	}
	fmt.Fprintf(t, "RSA public key\t%s\n", c.PublicKeyPath())
	fmt.Fprintf(t, "its fingerprint\t%016x (%d)\n", uint64(c.Fingerprint()), c.Fingerprint())
	fmt.Fprintf(t, "a slow method\t%s, %s\n", bff.SlowMethod, slowTime)
	fmt.Fprintf(t, "logs\t%s\n", c.Logs())
	_ = t.Flush()
	fmt.Fprintf(w, `
A client connects to data centre %d at %s with that public key in place of
its built-in ones, over any TCP transport. Any phone number logs in; the code
is %s. %s has a password, too: %s. With gotd/td:

  telegram.Options{
    DC:         %d,
    DCList:     dcs.List{Options: []tg.DCOption{{ID: %d, IPAddress: …, Port: …}}},
    PublicKeys: []telegram.PublicKey{{RSA: …}},
  }
`, c.DC(), c.Addr(), bff.DefaultCode, passwordPhone, password, c.DC(), c.DC())
}

// describeConsole tells where the console is and what it takes, and how the same cluster is
// seen from the shell.
func describeConsole(w io.Writer, c *cluster.Cluster) error {
	if c.ConsoleURL() == "" {
		return nil
	}
	token, err := c.ConsoleToken()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe session console is at %s and takes this token:\n\n  %s\n", c.ConsoleURL(), token)
	fmt.Fprintf(w, `
The same from the shell, with the programs of make build in teamgramd/bin, and the inside
of a session node:

  export AUTHSESSION_TOKEN=%s
  teamgramd/bin/authsession ctl list --addr %s
`, token, c.AdminAddr())
	for _, addr := range c.DevServers() {
		fmt.Fprintf(w, "  teamgramd/bin/session ctl queues --addr %s\n", addr)
	}
	return nil
}
