package rpcserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// publish registers the address in etcd and keeps it there.
func (s *Server) publish(ctx context.Context) error {
	c := s.options.Conf.Etcd
	if len(c.Hosts) == 0 || c.Key == "" {
		return nil
	}
	if err := reach(ctx, c); err != nil {
		return err
	}
	var opts []discov.PubOption
	if c.HasAccount() {
		opts = append(opts, discov.WithPubEtcdAccount(c.User, c.Pass))
	}
	if c.HasTLS() {
		opts = append(opts, discov.WithPubEtcdTLS(c.CertFile, c.CertKeyFile, c.CACertFile, c.InsecureSkipVerify))
	}
	if c.HasID() {
		opts = append(opts, discov.WithId(c.ID))
	}
	p := discov.NewPublisher(c.Hosts, c.Key, PublishedAddress(s.options.Conf.ListenOn), opts...)
	registered := make(chan error, 1)
	go func() { registered <- p.KeepAlive() }()
	select {
	case err := <-registered:
		if err != nil {
			return fmt.Errorf("etcd at %v (Etcd.Hosts) refuses the registration under %s: %w", c.Hosts, c.Key, err)
		}
	case <-time.After(etcdTimeout): // it answered a moment ago; KeepAlive itself has no bound
		p.Stop()
		return unreachable(c, context.DeadlineExceeded)
	case <-ctx.Done():
		p.Stop()
		return ctx.Err()
	}
	s.mu.Lock()
	s.publisher = p
	s.mu.Unlock()
	return nil
}

// unpublish takes the address out of etcd and waits until it is gone, at most
// a second: a process that ends before the revocation was sent would stay in
// its peers' rings until the lease runs out.
func (s *Server) unpublish(ctx context.Context) {
	s.mu.Lock()
	p := s.publisher
	s.publisher = nil
	s.mu.Unlock()
	if p == nil {
		return
	}
	p.Stop()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.awaitGone(ctx); err != nil {
		logx.Errorf("etcd did not confirm within 1 s that this node left: peers forget it when its lease ends: %v", err)
	}
}

func (s *Server) awaitGone(ctx context.Context) error {
	c := s.options.Conf.Etcd
	client, err := dial(ctx, c)
	if err != nil {
		return err
	}
	defer client.Close()
	address := PublishedAddress(s.options.Conf.ListenOn)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := client.Get(ctx, c.Key+"/", clientv3.WithPrefix())
		if err != nil {
			return err
		}
		there := false
		for _, kv := range answer.Kvs {
			there = there || string(kv.Value) == address
		}
		if !there {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reach fails when no etcd host answers within etcdTimeout.
func reach(ctx context.Context, c discov.EtcdConf) error {
	bounded, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	client, err := dial(bounded, c)
	if err != nil {
		return unreachable(c, err)
	}
	defer client.Close()
	if _, err := client.Get(bounded, c.Key); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unreachable(c, err)
	}
	return nil
}

func unreachable(c discov.EtcdConf, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", etcdTimeout)
	}
	return fmt.Errorf("etcd at %v is not usable (%w): start it or correct Etcd.Hosts", c.Hosts, err)
}

func dial(ctx context.Context, c discov.EtcdConf) (*clientv3.Client, error) {
	conf := clientv3.Config{
		Endpoints:   c.Hosts,
		DialTimeout: etcdTimeout,
		Username:    c.User,
		Password:    c.Pass,
		Context:     ctx,
		Logger:      zap.NewNop(),
	}
	if c.HasTLS() {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.CertKeyFile)
		if err != nil {
			return nil, fmt.Errorf("Etcd.CertFile: %w", err)
		}
		authority, err := os.ReadFile(c.CACertFile)
		if err != nil {
			return nil, fmt.Errorf("Etcd.CACertFile: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		conf.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, InsecureSkipVerify: c.InsecureSkipVerify}
	}
	return clientv3.New(conf)
}
