// Package gate is the lab's gateway as a process of its own, which can be ended
// without its cluster.
package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
)

// What the parts are called in etcd.
const (
	sessionKey = "interface.session"
	gatewayKey = "interface.gateway"
)

// Config is the file of a gateway, as JSON.
type Config struct {
	// Listen is where clients connect, RPC where session nodes do: host:port
	// each, of a host that others reach.
	Listen, RPC string
	// Key is a file with the RSA key (gateway.LoadKey).
	Key string
	// DC is the id of the data centre.
	DC int
	// Etcd are the members, host:port each.
	Etcd []string
	// Stream speaks to session through streams in place of unary calls.
	Stream bool
}

// Serve is a gateway until SIGTERM. It writes what goes wrong to standard error.
func Serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	var c Config
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("gate: %s: %w", file, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return c.serve(ctx)
}

func (c *Config) serve(ctx context.Context) error {
	key, err := gateway.LoadKey(c.Key)
	if err != nil {
		return err
	}
	disc, err := discovery.Dial(ctx, c.Etcd)
	if err != nil {
		return err
	}
	defer func() { _ = disc.Close() }()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	pool := upstream.New(upstream.Config{Stream: c.Stream, Log: log})
	defer pool.Close()
	if err := disc.Watch(ctx, sessionKey, pool.Update); err != nil {
		return err
	}
	g, err := gateway.Start(gateway.Config{ListenOn: c.Listen, RPCListenOn: c.RPC, Key: key, DC: c.DC, Backend: pool, Log: log})
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	withdraw, err := disc.Publish(ctx, gatewayKey, g.ServerID())
	if err != nil {
		return err
	}
	defer withdraw()
	<-ctx.Done()
	return nil
}
