package svc

import (
	"fmt"
	"net"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

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
// hold requests whole, and with them keys. Its metrics are ours, by other means.
func dial(c zrpc.RpcClientConf, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	c.NonBlock = true
	c.Middlewares.Timeout = false
	c.Middlewares.Breaker = false
	c.Middlewares.Duration = false
	c.BalancerName = rpcclient.Balancer(c.BalancerName)
	observe := c.Middlewares.Prometheus
	c.Middlewares.Prometheus = false
	options := []zrpc.ClientOption{zrpc.WithDialOption(rpcclient.Reconnect()), zrpc.WithDialOption(rpcclient.NoticeLoss(c.KeepaliveTime))}
	if observe {
		options = append(options, zrpc.WithUnaryClientInterceptor(rpcclient.Observe()))
	}
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
