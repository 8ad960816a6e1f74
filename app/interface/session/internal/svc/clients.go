package svc

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/rpcclient"
	"github.com/tgsession/tgsession/app/internal/unary"
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

// dialShort is dial for a service whose calls are short for the most part (package
// unary). end ends the calls that are under way when the connection is closed.
func dialShort(c zrpc.RpcClientConf, opts ...grpc.DialOption) (conn *grpc.ClientConn, end func(), err error) {
	client := unary.New()
	if short(c) {
		opts = append(opts, client.Options()...)
	}
	conn, err = dial(c, opts...)
	return conn, client.Close, err
}

// short reports whether calls need nothing that gRPC alone does: spans, credentials, a
// balancer that was asked for by name, a proxy.
func short(c zrpc.RpcClientConf) bool {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if os.Getenv(name) != "" {
			return false
		}
	}
	return !c.Middlewares.Trace && c.App == "" && c.Token == "" && rpcclient.Balancer(c.BalancerName) == rpcclient.Balancer("")
}

// dialTo makes a client of one node, with the settings of c.
func dialTo(c zrpc.RpcClientConf, addr string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	c.Endpoints, c.Target, c.Etcd = []string{addr}, "", discov.EtcdConf{}
	return dial(c, append(opts, grpc.WithWriteBufferSize(bufferSize), grpc.WithReadBufferSize(bufferSize))...)
}

// dialGateway makes a client of a gateway, whose unary calls are short: those for large
// packets have a client of their own. Whoever closes it has ended its calls.
func dialGateway(c zrpc.RpcClientConf, addr string) (*grpc.ClientConn, error) {
	if !short(c) {
		return dialTo(c, addr)
	}
	return dialTo(c, addr, unary.To(addr).Options()...)
}
