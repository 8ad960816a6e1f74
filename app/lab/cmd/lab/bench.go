package main

import (
	"context"
	"crypto/rsa"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/tgsession/tgsession/app/lab/bench"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/proc"
)

const benchAbout = `Usage: lab bench [flags]

Puts load on a gateway and the session service behind it: on a whole cluster
that it starts for that, or with --addr and --rsa-key on any other. Clients do
one thing after the other, drawn from the mix; a push is a message to oneself,
timed until the user's other device has it.

`

func runBench(args []string) int {
	if slices.Contains(args, "--floor") || slices.Contains(args, "-floor") {
		return runBenchFloor(args)
	}
	fs := flag.NewFlagSet("lab bench", flag.ContinueOnError)
	var (
		o options
		c bench.Config
	)
	o.define(fs, "a temporary one")
	fs.StringVar(&c.Addr, "addr", "", "`host:port` of a gateway, in place of a cluster of its own")
	key := fs.String("rsa-key", "", "PEM `file` with that gateway's public RSA key")
	fs.IntVar(&c.DC, "dc", 2, "`id` of that gateway's data centre")
	fs.StringVar(&c.Phone, "phone", "", "there, log in with `numbers` that begin so; four digits follow")
	fs.StringVar(&c.Code, "code", "", "the login `code` that these numbers get")
	fs.StringVar(&c.Metrics, "metrics", "", "`URL` of the session process's Prometheus metrics there")
	fs.IntVar(&c.Clients, "clients", 100, "`number` of clients, two with the same phone number each")
	fs.DurationVar(&c.Duration, "duration", 10*time.Second, "`time` of the load")
	fs.Float64Var(&c.Rate, "rate", 0, "`operations` a second of all clients together (0: as many as there are answers)")
	mix := fs.String("mix", "", "`shares` of ping, call and push (default ping=6,call=3,push=1; without a login ping=6,call=3)")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), benchAbout)
		fs.PrintDefaults()
	}
	if code, ok := parse(fs, args); !ok {
		return code
	}
	wrong := func(err error) int {
		fmt.Fprintf(os.Stderr, "lab bench: %v\n", err)
		return exitUsage
	}
	own := c.Addr == ""
	switch {
	case own && (*key != "" || c.Phone != "" || c.Code != "" || c.Metrics != ""):
		return wrong(errors.New("--rsa-key, --phone, --code and --metrics go with --addr"))
	case !own && *key == "":
		return wrong(errors.New("--addr needs --rsa-key"))
	case (c.Phone == "") != (c.Code == ""):
		return wrong(errors.New("--phone and --code belong together"))
	case *mix == "" && !own && c.Phone == "":
		*mix = "ping=6,call=3"
	case *mix == "":
		*mix = "ping=6,call=3,push=1"
	}
	var err error
	if c.Mix, err = bench.ParseMix(*mix); err != nil {
		return wrong(err)
	}
	if !own {
		if c.Key, err = publicKey(*key); err != nil {
			return wrong(err)
		}
	}
	ctx, stop := untilSignal()
	defer stop()
	if own {
		err = o.benchCluster(ctx, c)
	} else {
		err = benchReport(ctx, c)
	}
	if err != nil {
		return fail("bench", err)
	}
	return exitOK
}

func publicKey(file string) (*rsa.PublicKey, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--rsa-key: %w", err)
	}
	keys, err := crypto.ParseRSAPublicKeys(pem)
	if err != nil || len(keys) == 0 {
		return nil, fmt.Errorf("--rsa-key: no RSA public key in %s", file)
	}
	return keys[0], nil
}

func benchReport(ctx context.Context, c bench.Config) error {
	report, err := bench.Run(ctx, c)
	if err != nil {
		return err
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	if n := report.Errors(); n > 0 {
		return fmt.Errorf("%d operations failed", n)
	}
	return nil
}

// benchCluster loads a cluster started for it.
func (o *options) benchCluster(ctx context.Context, c bench.Config) error {
	if o.data == "" {
		dir, err := os.MkdirTemp("", "tgsession-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.data = dir
	}
	cfg, closeLogs, err := o.config()
	if err != nil {
		return err
	}
	defer closeLogs()
	metrics, err := proc.FreeAddr()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(metrics)
	if err != nil {
		return err
	}
	cfg.SessionYAML = fmt.Sprintf("DevServer: {Enabled: true, Host: %q, Port: %s}\n", host, port)
	running, err := cluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer running.Close()
	c.Addr, c.Key, c.DC = running.Addr(), running.PublicKey(), running.DC()
	c.Phone, c.Code = "99966", bff.DefaultCode
	c.Metrics = "http://" + metrics + "/metrics"
	return benchReport(ctx, c)
}
