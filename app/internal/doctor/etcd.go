package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/zeromicro/go-zero/core/discov"

	"github.com/tgsession/tgsession/app/internal/discovery"
)

// etcdName is the name of an etcd's check.
func etcdName(c discov.EtcdConf) string { return "etcd " + strings.Join(c.Hosts, ",") }

// Etcds are the checks of each etcd that is among those of the peers: that all of
// its hosts answer, and are of one cluster.
func Etcds(peers []Peer) (checks []Check) {
	seen := map[string]bool{}
	for _, p := range peers {
		c := p.Client
		name := etcdName(c.Etcd)
		if len(c.Endpoints) > 0 || c.Target != "" || len(c.Etcd.Hosts) == 0 || seen[name] {
			continue
		}
		seen[name] = true
		checks = append(checks, Check{Name: name, Run: func(ctx context.Context) Result { return etcd(ctx, c.Etcd, p.key("Etcd")) }})
	}
	return checks
}

func etcd(ctx context.Context, c discov.EtcdConf, key string) Result {
	asker, err := discovery.NewAsker(ctx, c)
	if err != nil {
		return Wrong(Fault, key, "correct it", "no client can be made: %v", err)
	}
	defer asker.Close()
	bounded, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var r Result
	note := func(grade Grade, i int, fix, format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Grade: grade, Problem: fmt.Sprintf(format, args...), Key: fmt.Sprintf("%s.Hosts[%d]", key, i), Fix: fix})
	}
	answered := 0
	var first discovery.Host
	hosts := asker.Hosts(bounded)
	for i, h := range hosts {
		switch {
		case h.Err != nil:
			note(Warn, i, "start etcd there, or correct the address", "%s does not answer: %v", h.Address, h.Err)
			continue
		case !h.Leader:
			note(Fault, i, "start the other members of the etcd cluster", "%s has no leader: it takes no registrations", h.Address)
		case first.Address != "" && h.Cluster != first.Cluster:
			note(Fault, i, "name the hosts of one etcd", "%s is of another etcd cluster than %s: services see different lists", h.Address, first.Address)
		}
		answered++
		if first.Address == "" {
			first = h
		}
	}
	if answered == 0 {
		for i := range r.Findings {
			r.Findings[i].Grade = Fault
		}
	}
	r.Well = fmt.Sprintf("%d of %d hosts answer, of one cluster", answered, len(hosts))
	return r
}
