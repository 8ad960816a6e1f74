package config

import (
	"fmt"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
)

const (
	// hashedNodes is the most endpoints that zrpc's clients tell the balancer of:
	// of more, each client takes a choice of its own.
	hashedNodes    = 32
	consistentHash = "consistent_hash"
	// shortestPing is what a server with gRPC's defaults takes.
	shortestPing = 5 * time.Minute
)

// Advice returns a sentence for each setting of a BFF's client that is accepted and
// does not do what it seems to.
func (c *Config) Advice() (list []string) {
	for i, client := range c.BFFProxyClients.Clients {
		for _, problem := range advice(client) {
			list = append(list, fmt.Sprintf("config key BFFProxyClients.Clients[%d].%s", i, problem))
		}
	}
	return list
}

func advice(c zrpc.RpcClientConf) (list []string) {
	if c.BalancerName == consistentHash && len(c.Endpoints) > hashedNodes {
		list = append(list, fmt.Sprintf("BalancerName is %s and there are %d endpoints: of more than %d each client takes its own choice, so that two session nodes send a key to different BFFs; name fewer, or leave BalancerName out",
			consistentHash, len(c.Endpoints), hashedNodes))
	}
	if c.KeepaliveTime > 0 && c.KeepaliveTime < shortestPing {
		list = append(list, fmt.Sprintf("KeepaliveTime is %v: a BFF with gRPC's defaults ends connections that are pinged more often than every %v (too_many_pings); leave it out, or let the BFF take such pings",
			c.KeepaliveTime, shortestPing))
	}
	return list
}
