// Package config is what session.yaml may hold. A file of the stock server
// loads unchanged.
package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/allow"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/tl"
)

// SchemaAuto as a Schema has a node ask the BFFs, when it starts, from which shipped
// release they were built.
const SchemaAuto = "auto"

// Config is session.yaml.
type Config struct {
	zrpc.RpcServerConf

	AuthSession   zrpc.RpcClientConf
	StatusClient  zrpc.RpcClientConf
	GatewayClient zrpc.RpcClientConf // Etcd finds the gateways; the rest is for each of them
	// BFFProxyClients says which BFF serves which group of methods. A client
	// is named by its Etcd.Key, or by its Endpoints joined with commas.
	BFFProxyClients struct {
		Clients []zrpc.RpcClientConf
		IDMap   map[string]string `json:",optional" example:"\"/mtproto.RPCUsers\": bff.bff"`
	}

	// AllowPeers are the addresses and networks that calls may come from; none:
	// all may.
	AllowPeers []string `json:",optional"`
	// Nodes is what calls to the other session nodes carry, alike on all nodes.
	// With Auth they are refused without. A node with it takes for a session node
	// who shows it, whatever its address; without, who calls from the address of a
	// node that etcd lists (package cluster, Hop).
	Nodes Credentials `json:",optional"`

	// UseStreamGateway: true always streams to gateways, false never does.
	// Absent: streams, and unary calls where a gateway has no streams.
	UseStreamGateway *bool `json:",optional" example:"true"`
	// FakeResults answers some methods that no BFF serves with empty results
	// instead of METHOD_NOT_IMPL.
	FakeResults bool `json:",default=true"`
	// Schema is a shipped release of Teamgram's wire format, the path of a table
	// set, or SchemaAuto.
	Schema string `json:",default=0.223.1" example:"0.223.1"`
	// NoLogin changes the list of methods that need no login.
	NoLogin struct {
		Allow []string `json:",optional"`
		Deny  []string `json:",optional"`
	} `json:",optional"`
	// Session holds limits and times; what is absent or zero has its default, which
	// Table has.
	Session Session `json:",optional"`
	// DrainTime is how long a node that stops waits for answers in flight;
	// Shutdown.WaitTime bounds the whole, and leaves 5 s or half of it for what comes
	// after. Zero value means 20 s, or what there is.
	DrainTime time.Duration `json:",optional"`
}

// Credentials are those of go-zero's Auth, named as in its RpcClientConf.
type Credentials struct {
	App   string `json:",optional"`
	Token string `json:",optional"`
}

// Session holds limits and times of the node and, embedded, of its keys; Table says
// what each is.
type Session struct {
	sess.Limits

	DataChannel      int           `json:",optional"`
	DataChannelBytes int           `json:",optional"`
	Calls            int           `json:",optional"`
	CallBytes        int           `json:",optional"`
	PeerCalls        int           `json:",optional"`
	PeerQueue        int           `json:",optional"`
	CallTimeout      time.Duration `json:",optional"`
	MediaCallTimeout time.Duration `json:",optional"`
	ReplyBytes       int           `json:",optional"`
	PeerTimeout      time.Duration `json:",optional"`
	KeyCache         int           `json:",optional"`
	KeyRefresh       time.Duration `json:",optional"`
	ReleaseAfter     time.Duration `json:",optional"`
	GatewayQueue     int           `json:",optional"`
	GatewayBytes     int           `json:",optional"`
	GatewayRetry     time.Duration `json:",optional"`
}

// Examples of go-zero's keys, for messages about those that are missing.
func (*Config) Examples() map[string]string {
	return map[string]string{"Name": "interface.session", "ListenOn": "127.0.0.1:20120", "Etcd.Key": "interface.session"}
}

// Unneeded names keys of stock files that are known, and why they are not needed.
func (*Config) Unneeded() map[string]string {
	return map[string]string{"Cache": "session keeps nothing in Redis"}
}

// Complete sets defaults other than go-zero's; conf.Load calls it.
func (c *Config) Complete(given func(key string) bool) { rpcserver.Calm(&c.RpcServerConf, given) }

// SetDefaults fills in what is absent.
func (c *Config) SetDefaults() {
	if c.DrainTime == 0 {
		c.DrainTime = min(20*time.Second, c.longestDrain())
	}
	if c.Schema == "" {
		c.Schema = tl.Default
	}
	c.Session.Limits.SetDefaults()
	table.SetDefaults(c)
}

// longestDrain is what DrainTime may be at most: afterwards packets that wait for
// gateways are sent, status is told who is offline, and the last pushes are taken.
func (c *Config) longestDrain() time.Duration {
	budget := rpcserver.Budget(c.RpcServerConf)
	return max(budget-5*time.Second, budget/2)
}

// DropSpans turns tracing off where Telemetry names nobody to collect spans:
// go-zero would make some for every call, there and back, and throw them away.
func (c *Config) DropSpans() {
	if c.Telemetry.Endpoint != "" && !c.Telemetry.Disabled {
		return
	}
	c.BFFProxyClients.Clients = slices.Clone(c.BFFProxyClients.Clients) // the caller's stay as they are
	c.Middlewares.Trace = false
	for _, client := range c.clients() {
		client.Middlewares.Trace = false
	}
}

// clients lists the peers.
func (c *Config) clients() []*zrpc.RpcClientConf {
	list := []*zrpc.RpcClientConf{&c.AuthSession, &c.StatusClient, &c.GatewayClient}
	for i := range c.BFFProxyClients.Clients {
		list = append(list, &c.BFFProxyClients.Clients[i])
	}
	return list
}

// Validate is called by the loader. It sets the defaults and refuses what
// cannot work.
func (c *Config) Validate() error {
	c.SetDefaults()
	if err := c.RpcServerConf.Validate(); err != nil {
		return &conf.KeyError{Key: "Redis", Problem: "is needed for Auth", Fix: err.Error()}
	}
	if err := conf.Check(table, c, nil); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.ListenOn); err != nil {
		return &conf.KeyError{Key: "ListenOn", Problem: fmt.Sprintf("is %q", c.ListenOn), Fix: "set host:port, for example ListenOn: 0.0.0.0:20120"}
	}
	if _, err := allow.Parse(c.AllowPeers); err != nil {
		return err
	}
	if err := c.validateNodes(); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return &conf.KeyError{Key: "Timeout", Problem: "is negative", Fix: "give milliseconds, or 0 for none"}
	}
	if c.Schema != SchemaAuto && !slices.Contains(tl.Releases(), c.Schema) && !strings.ContainsAny(c.Schema, `/\`) {
		return &conf.KeyError{
			Key: "Schema", Problem: fmt.Sprintf("is %q", c.Schema),
			Fix: fmt.Sprintf("name a shipped release (%s) or the path of a table set, or set auto", strings.Join(tl.Releases(), ", ")),
		}
	}
	for _, p := range []struct {
		key, example string
		client       *zrpc.RpcClientConf
	}{
		{"AuthSession", "service.authsession", &c.AuthSession},
		{"StatusClient", "service.status", &c.StatusClient},
		{"GatewayClient", "interface.gateway", &c.GatewayClient},
	} {
		if !c.reachable(p.client) {
			return &conf.KeyError{
				Key: p.key + ".Etcd", Problem: "is missing",
				Fix: fmt.Sprintf("set %s.Etcd.Hosts and .Key (%s), or %s.Endpoints", p.key, p.example, p.key),
			}
		}
	}
	if c.Schema == SchemaAuto && len(c.BFFProxyClients.Clients) == 0 {
		return &conf.KeyError{Key: "Schema", Problem: "is auto, and BFFProxyClients.Clients has no BFF to ask", Fix: "name a shipped release, or a BFF"}
	}
	for i := range c.BFFProxyClients.Clients {
		if !c.reachable(&c.BFFProxyClients.Clients[i]) {
			return &conf.KeyError{
				Key: fmt.Sprintf("BFFProxyClients.Clients[%d].Etcd", i), Problem: "is missing",
				Fix: "set Etcd.Hosts and .Key (bff.bff), or Endpoints",
			}
		}
	}
	cfg := c.Sess()
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		if limit := (*sess.LimitError)(nil); errors.As(err, &limit) {
			return &conf.KeyError{Key: "Session." + limit.Key, Problem: limit.Problem, Fix: limit.Fix}
		}
		return err
	}
	if most := c.longestDrain(); c.DrainTime > most {
		return &conf.KeyError{
			Key: "DrainTime", Problem: fmt.Sprintf("is %v, and a stop takes %v in all", c.DrainTime, rpcserver.Budget(c.RpcServerConf)),
			Fix: fmt.Sprintf("give %v at most, or raise Shutdown.WaitTime", most),
		}
	}
	return nil
}

// validateNodes refuses a node that the others, which have this configuration,
// too, would refuse. One without etcd has no others.
func (c *Config) validateNodes() error {
	fix := "set Nodes.App and Nodes.Token to an app and its token"
	if c.Redis.Key != "" {
		fix += fmt.Sprintf(", which Auth finds in the hash %q of Redis", c.Redis.Key)
	}
	switch n := c.Nodes; {
	case n.App == "" && n.Token == "" && c.Auth && c.HasEtcd():
		return &conf.KeyError{Key: "Nodes.App", Problem: "is missing, and with Auth session nodes refuse each other's calls without it", Fix: fix}
	case n.App == "" && n.Token != "":
		return &conf.KeyError{Key: "Nodes.App", Problem: "is missing beside Nodes.Token", Fix: fix}
	case n.App != "" && n.Token == "":
		return &conf.KeyError{Key: "Nodes.Token", Problem: "is missing beside Nodes.App", Fix: fix}
	}
	return nil
}

// reachable reports whether a client's server can be found. go-zero lets a
// client without Etcd inherit that of the file's top, which is our own.
func (c *Config) reachable(client *zrpc.RpcClientConf) bool {
	return len(client.Endpoints) > 0 || client.Target != "" || len(client.Etcd.Hosts) > 0 && client.Etcd.Key != "" && client.Etcd.Key != c.Etcd.Key
}

// ClientName is what an IDMap calls a client.
func (c *Config) ClientName(client *zrpc.RpcClientConf) string {
	switch {
	case client.Etcd.Key != "" && client.Etcd.Key != c.Etcd.Key:
		return client.Etcd.Key
	case len(client.Endpoints) > 0:
		return strings.Join(client.Endpoints, ",")
	}
	return client.Target
}

// Sess is the configuration of the keys' state machines.
func (c *Config) Sess() sess.Config {
	return sess.Config{
		Limits: c.Session.Limits, NoLoginAllow: c.NoLogin.Allow, NoLoginDeny: c.NoLogin.Deny,
		RemoteWait:  max(c.Session.CallTimeout, c.Session.MediaCallTimeout) + 2*c.Session.PeerTimeout,
		HandOffWait: c.Session.PeerTimeout / 4, // an attempt to get the key takes half of it (cluster.Fetch)
	}
}
