package embedded

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const etcdReady = 30 * time.Second

// Etcd is a cluster of one.
type Etcd struct{ srv *embed.Etcd }

// StartEtcd runs etcd with its data in dir, an empty or missing directory, and
// returns when it answers.
func StartEtcd(ctx context.Context, dir string) (*Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.Name = "lab"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	anywhere := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{anywhere}, []url.URL{anywhere}
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
