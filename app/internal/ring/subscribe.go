package ring

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
)

// Subscribe follows an etcd key. go-zero's subscriber waits forever for an
// etcd that is not there; this one gives up after patience.
func Subscribe(c discov.EtcdConf, patience time.Duration) (*discov.Subscriber, error) {
	hosts := slices.Clone(c.Hosts) // go-zero sorts the slice it is given
	var opts []discov.SubOption
	if c.HasAccount() {
		opts = append(opts, discov.WithSubEtcdAccount(c.User, c.Pass))
	}
	if c.HasTLS() {
		if err := discov.RegisterTLS(hosts, c.CertFile, c.CertKeyFile, c.CACertFile, c.InsecureSkipVerify); err != nil {
			return nil, fmt.Errorf("etcd certificates of %s: %w", c.Key, err)
		}
	}
	type result struct {
		sub *discov.Subscriber
		err error
	}
	done := make(chan result, 1)
	go func() {
		sub, err := discov.NewSubscriber(hosts, c.Key, opts...)
		done <- result{sub, err}
	}()
	select {
	case r := <-done:
		return r.sub, r.err
	case <-time.After(patience):
		return nil, fmt.Errorf("etcd at %s does not answer: check Etcd.Hosts and that etcd runs", strings.Join(c.Hosts, ", "))
	}
}
