package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/proc"
)

const (
	etcdReady = 30 * time.Second
	// attempts is how often a port is chosen, which another process may take
	// before etcd does.
	attempts = 3
)

// Etcd is a cluster of one.
type Etcd struct{ srv *embed.Etcd }

// StartEtcd runs etcd with its data in dir, an empty or missing directory, and
// returns when it answers.
func StartEtcd(ctx context.Context, dir string) (e *Etcd, err error) {
	for range attempts {
		if e, err = startEtcd(ctx, dir); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return e, err
}

func startEtcd(ctx context.Context, dir string) (*Etcd, error) {
	// Clients that stay ask after a minute where etcd is and go there: what
	// it tells them has to be an address, so port 0 will not do.
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.Name = "lab"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	anywhere := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	here := url.URL{Scheme: "http", Host: addr}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{here}, []url.URL{here}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{anywhere}, []url.URL{anywhere}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true // nothing here outlives the process

	srv, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, etcdReady)
	defer cancel()
	select {
	case <-srv.Server.ReadyNotify():
		return &Etcd{srv}, nil
	case err = <-srv.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	srv.Close()
	return nil, fmt.Errorf("embedded etcd: %w", err)
}

// Addr returns host:port of the client listener.
func (e *Etcd) Addr() string { return e.srv.Clients[0].Addr().String() }

// Close stops the server and waits for it.
func (e *Etcd) Close() error {
	e.srv.Close()
	<-e.srv.Server.StopNotify()
	return nil
}
