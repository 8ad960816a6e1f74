// Package redisconf is how authsession.yaml names Redis: each stock form, and
// Sentinel.
package redisconf

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Types of a node.
const (
	TypeNode     = "node"
	TypeCluster  = "cluster"
	TypeSentinel = "sentinel"
)

// Nodes are those that keys are spread over, as Cache and KV name them.
type Nodes []Node

// Node is a Redis as go-zero's cache.NodeConf has it, and what Redis Sentinel
// needs beside: go-zero has no client for that.
type Node struct {
	// Host is host:port. Those of a cluster's nodes, or of sentinels, are
	// separated by commas.
	Host string
	Type string `json:",default=node"` // node, cluster or sentinel
	User string `json:",optional"`
	Pass string `json:",optional"`
	// Tls encrypts connections and authenticates nobody, as with go-zero: those to
	// Redis, and those to sentinels.
	Tls bool `json:",optional"`
	// MasterName is the name that sentinels have for the primary and its replicas.
	MasterName string `json:",optional"`
	// SentinelUser and SentinelPass are the account at the sentinels themselves;
	// User and Pass are the one at Redis.
	SentinelUser    string `json:",optional"`
	SentinelPass    string `json:",optional"`
	DisableIdentity bool   `json:",optional"`  // no CLIENT SETINFO, which old servers and proxies lack
	Protocol        int    `json:",default=3"` // of RESP: 2 or 3
	Weight          int    `json:",default=100"`
}

// Name is what the consistent hash over nodes is computed from, so that it is the
// same on all nodes of the service: the address, as go-zero has it. Sentinels are
// added, removed and written in any order while the keys stay where they are: the
// name that they have for their group stands for it.
func (n Node) Name() string {
	if n.Type == TypeSentinel {
		return n.MasterName
	}
	return n.Host
}

// String names a node in messages.
func (n Node) String() string {
	if n.Type == TypeSentinel {
		return n.MasterName + " of sentinels " + n.Host
	}
	return n.Host
}

// Hosts are the addresses, one by one.
func (n Node) Hosts() []string {
	list := strings.Split(n.Host, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// Check returns what is wrong with the nodes that the configuration has at key;
// it connects to nothing.
func (list Nodes) Check(key string) error {
	weights := 0
	for _, n := range list {
		weights += max(n.Weight, 0)
	}
	if weights == 0 {
		return &conf.KeyError{Key: key, Problem: "has no node", Fix: fmt.Sprintf("name a Redis: %s: [{Host: 127.0.0.1:6379}]", key)}
	}
	for i, n := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if err := n.check(at); err != nil {
			return err
		}
		if n.Type == TypeSentinel && slices.ContainsFunc(list[:i], func(other Node) bool { return other.Name() == n.Name() }) {
			return &conf.KeyError{
				Key: at + ".MasterName", Problem: fmt.Sprintf("is %q, as another node's: keys are spread over nodes by their names", n.MasterName),
				Fix: "have the sentinels watch each group by a name of its own",
			}
		}
	}
	return nil
}

func (n Node) check(at string) error {
	complain := func(key, problem, fix string) error {
		return &conf.KeyError{Key: at + "." + key, Problem: problem, Fix: fix}
	}
	switch n.Type {
	case TypeNode, TypeCluster, TypeSentinel:
	default:
		return complain("Type", fmt.Sprintf("is %q", n.Type), "set node, cluster or sentinel")
	}
	switch {
	case n.Host == "" && n.Type == TypeSentinel:
		return complain("Host", "is empty", "name the sentinels, for example Host: 10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379")
	case n.Host == "":
		return complain("Host", "is empty", "name a Redis, for example Host: 127.0.0.1:6379")
	case n.Type != TypeSentinel && n.MasterName != "":
		return complain("MasterName", "has no effect with Type: "+n.Type, "set Type: sentinel, with the sentinels' addresses as Host, or leave MasterName out")
	case n.Type != TypeSentinel && (n.SentinelUser != "" || n.SentinelPass != ""):
		return complain("SentinelPass", "or SentinelUser has no effect with Type: "+n.Type, "set Type: sentinel, or leave it out; User and Pass are for Redis itself")
	case n.Type != TypeSentinel:
		return nil
	case n.MasterName == "":
		return complain("MasterName", "is missing", "set the name after \"sentinel monitor\" in the sentinels' own file, for example MasterName: mymaster")
	case n.SentinelUser != "" && n.SentinelPass == "":
		return complain("SentinelPass", "is missing", "set the password of SentinelUser, or leave SentinelUser out")
	}
	for _, host := range n.Hosts() {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return complain("Host", fmt.Sprintf("has %q, which is no address of a sentinel", host), "write host:port of each, separated by commas, for example 10.0.0.1:26379,10.0.0.2:26379")
		}
	}
	return nil
}
