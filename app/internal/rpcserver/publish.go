package rpcserver

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/internal/discovery"
)

// published reports whether peers find the server in etcd.
func published(c zrpc.RpcServerConf) bool { return len(c.Etcd.Hosts) > 0 && c.Etcd.Key != "" }

// publish registers the address in etcd and keeps it there.
func (s *Server) publish(ctx context.Context) error {
	if !published(s.options.Conf) {
		return nil
	}
	c := s.options.Conf.Etcd
	p, err := discovery.Publish(ctx, c, PublishedAddress(s.options.Conf.ListenOn), etcdTimeout, s.options.Lost)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.published = p
	s.mu.Unlock()
	return nil
}

// Confirm asks etcd whether the server has been listed without a break since it
// started, or since the last Confirm that returned no error (discovery.Publication). A
// server that is not published has been.
func (s *Server) Confirm(ctx context.Context) (unbroken bool, err error) {
	if p := s.publication(); p != nil {
		return p.Confirm(ctx)
	}
	return true, nil
}

// Overdue reports whether peers may have been told that the server is gone, because etcd
// has not renewed its lease in time (discovery.Publication).
func (s *Server) Overdue() bool {
	p := s.publication()
	return p != nil && p.Overdue()
}

func (s *Server) publication() *discovery.Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published
}

// unpublish takes the address out of etcd and waits until it is gone, at most
// a second: a process that ends before the revocation was sent would stay in
// its peers' rings until the lease runs out.
func (s *Server) unpublish(ctx context.Context) {
	s.mu.Lock()
	p := s.published
	s.published = nil
	s.mu.Unlock()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := p.Withdraw(ctx); err != nil {
		logx.Errorf("etcd did not confirm within 1 s that this node left: peers forget it when its lease ends: %v", err)
	}
}
