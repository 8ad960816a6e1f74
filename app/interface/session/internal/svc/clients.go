package svc

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/shard"
	"github.com/tgsession/tgsession/app/internal/rpcclient"
)

const (
	etcdPatience = 5 * time.Second // until a silent etcd ends the start
	bufferSize   = 256 << 10       // of a connection that carries packets
	goZeroClient = 2000            // RpcClientConf.Timeout of a file that sets none, milliseconds
)

// dial makes a client of another service. Timeouts and breakers are ours:
// go-zero has one breaker a gRPC method and one timeout a client, where API
// calls need theirs for each TL method. Its log of failed and slow calls would
// hold requests whole, and with them keys.
func dial(c zrpc.RpcClientConf, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	c.Etcd.Hosts = slices.Clone(c.Etcd.Hosts) // go-zero sorts the slice it is given
	c.NonBlock = true
	c.Middlewares.Timeout = false
	c.Middlewares.Breaker = false
	c.Middlewares.Duration = false
	options := []zrpc.ClientOption{zrpc.WithDialOption(rpcclient.Reconnect())}
	for _, o := range opts {
		options = append(options, zrpc.WithDialOption(o))
	}
	client, err := zrpc.NewClient(c, options...)
	if err != nil {
		return nil, err
	}
	return client.Conn(), nil
}

// dialTo makes a client of one node, with the settings of c.
func dialTo(c zrpc.RpcClientConf, addr string) (*grpc.ClientConn, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	c.Endpoints, c.Target, c.Etcd = []string{addr}, "", discov.EtcdConf{}
	return dial(c, grpc.WithWriteBufferSize(bufferSize), grpc.WithReadBufferSize(bufferSize))
}

// reach asks every etcd that the configuration names, each once and all at
// the same time: go-zero's resolver would wait for one forever.
func reach(ctx context.Context, confs ...zrpc.RpcClientConf) error {
	asked := map[string]bool{}
	errs := make(chan error, len(confs))
	var wg sync.WaitGroup
	for _, c := range confs {
		if len(c.Endpoints) > 0 || c.Target != "" {
			continue
		}
		if hosts := strings.Join(c.Etcd.Hosts, ","); !asked[hosts] {
			asked[hosts] = true
			wg.Go(func() {
				// A key of its own: go-zero does not load a key anew that is
				// subscribed to again right after its last subscriber left.
				probe := c.Etcd
				probe.Key += ".reach"
				sub, err := shard.Subscribe(probe, etcdPatience)
				if err == nil {
					sub.Close()
				}
				errs <- err
			})
		}
	}
	go func() { wg.Wait(); close(errs) }()
	for {
		select {
		case err, more := <-errs:
			if err != nil || !more {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
