// Package discovery registers and finds services in etcd, by go-zero's rules
// (PEERS.md, "Discovery and sharding"): a service under the key
// "interface.session" is the set of values under the prefix
// "interface.session/", each put with a lease whose id ends its key.
//
// go-zero's own implementation is not used, because it does not survive what
// etcd does in its life. Its subscribers wait for each other with a lock held
// when a connection breaks again before the first break is dealt with, and
// then neither follow nor close any more; its publisher takes a second lease
// after a compaction and forgets the first.
//
// Here each subscription and each publication has a client and one goroutine of
// its own, shares nothing, holds no lock while it waits, and waits for nothing
// that its end does not end.
package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"

	"github.com/tgsession/tgsession/app/internal/conf"
)

const (
	requestTimeout = 3 * time.Second // of one request; another host may answer the next
	pingAfter      = 10 * time.Second
	pingTimeout    = 5 * time.Second
	syncEvery      = time.Minute // hosts that joined the cluster are learned, as go-zero does

	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// etcdConfig is how etcd is dialled.
func etcdConfig(c discov.EtcdConf) (clientv3.Config, error) {
	if err := c.Validate(); err != nil {
		return clientv3.Config{}, fmt.Errorf("configuration of etcd: %w", err)
	}
	client := clientv3.Config{
		Endpoints:            c.Hosts,
		AutoSyncInterval:     syncEvery,
		DialTimeout:          requestTimeout,
		DialKeepAliveTime:    pingAfter,
		DialKeepAliveTimeout: pingTimeout,
		Logger:               zap.NewNop(),
		// grpc's own pauses grow to two minutes: too long after an outage.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: firstPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxPause},
			MinConnectTimeout: requestTimeout,
		})},
	}
	if c.HasAccount() {
		client.Username, client.Password = c.User, c.Pass
	}
	if c.HasTLS() {
		pair, err := conf.ReadKeyPair(c.CertFile, c.CertKeyFile)
		if err != nil {
			return client, fmt.Errorf("Etcd.CertFile: %w", err)
		}
		authority, err := conf.ReadFile(c.CACertFile)
		if err != nil {
			return client, fmt.Errorf("Etcd.CACertFile: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		client.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, InsecureSkipVerify: c.InsecureSkipVerify}
	}
	return client, nil
}

// refused reports whether etcd answered, and said no.
func refused(err error) bool {
	var e rpctypes.EtcdError
	return errors.As(err, &e) && e.Code() != codes.Unavailable && e.Code() != codes.DeadlineExceeded
}

// unusable is why a start ends that etcd has no part in; asked is what it was
// asked for.
func unusable(c discov.EtcdConf, asked string, patience time.Duration, err error) error {
	hosts := strings.Join(c.Hosts, ", ")
	if refused(err) {
		return fmt.Errorf("etcd at %s (Etcd.Hosts) refuses %s of %s: %w", hosts, asked, c.Key, err)
	}
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", patience)
	}
	return fmt.Errorf("etcd at %s is not usable (%w): start it or correct Etcd.Hosts", hosts, err)
}

// backoff is the pause before another try: longer each time, and by chance
// longer or shorter, so that the nodes of a cluster do not all come at once.
type backoff struct{ last time.Duration }

// pause reports false when ctx ends it.
func (b *backoff) pause(ctx context.Context) bool {
	b.last = max(firstPause, min(2*b.last, maxPause))
	t := time.NewTimer(b.last/2 + rand.N(b.last))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
