package site

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/lab/chaos/gate"
	"github.com/tgsession/tgsession/app/lab/chaos/links"
	"github.com/tgsession/tgsession/app/lab/chaos/part"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// What the parts are called in etcd.
const (
	sessionKey     = "interface.session"
	authsessionKey = "service.authsession"
	statusKey      = "service.status"
	gatewayKey     = "interface.gateway"
	bffKey         = "bff.bff"
)

// How many there are at the start.
const (
	sessionNodes = 3
	authNodes    = 2
	gateways     = 2
)

// Kinds of peers, in links.
const (
	toAuth    = "authsession"
	toEtcd    = "etcd"
	toBFF     = "BFF"
	toRedis   = "Redis"
	toMariaDB = "MariaDB"
)

// node is a node of one of the services, with its network.
type node struct {
	*part.Part
	links *links.Node
}

// write writes a configuration file; JSON is YAML.
func (s *Site) write(name string, config any) (file string, err error) {
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return "", fmt.Errorf("site: %w", err)
	}
	file = s.path(name + ".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil { // the DSN may hold a password
		return "", fmt.Errorf("site: %w", err)
	}
	return file, nil
}

type fields = map[string]any

// service is the part of a configuration that both services have.
func (s *Site) service(key, name, addr string, etcd []string) fields {
	return fields{
		"Name": key, "ListenOn": addr, "Etcd": fields{"Hosts": etcd, "Key": key},
		"CpuThreshold": 0, // a busy desk is no overload: nothing is shed
		"Log":          fields{"ServiceName": key, "Mode": "file", "Path": s.log(name), "Level": "info"},
	}
}

// serve makes the part of a node that runs program with a configuration file.
func (s *Site) serve(name, key, addr string, program []string, file string, l *links.Node) *node {
	return &node{links: l, Part: s.own(part.New(
		proc.Spec{Name: name, Output: s.log(name + ".out"), Args: append(slices.Clone(program), "-f", file)}, addr,
		func(ctx context.Context, child *proc.Child) error {
			return child.WaitReady(ctx, addr, func(ctx context.Context) (bool, error) {
				found, err := s.disc.Values(ctx, key)
				return slices.Contains(found, addr), err
			})
		},
	))}
}

// network makes the links of a node.
func (s *Site) network(peers map[string][]string) (*links.Node, error) {
	n := links.NewNode()
	s.onClose(n.Close)
	for kind, addrs := range peers {
		if err := n.Add(kind, addrs...); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// startAuth starts one more authsession node.
func (s *Site) startAuth(ctx context.Context, addr string) error {
	name := fmt.Sprint("authsession-", len(s.auth)+1)
	if len(s.auth) == 0 {
		s.mountLogs(name, diskOfAuth)
	}
	l, err := s.network(map[string][]string{toRedis: {s.servers.redisAddr}, toMariaDB: {s.servers.dsn.Addr}})
	if err != nil {
		return err
	}
	dsn := s.servers.dsn.Clone()
	dsn.Addr = l.Via(dsn.Addr)
	config := s.service(authsessionKey, name, addr, s.servers.etcdAddrs)
	config["Mysql"] = fields{"DSN": dsn.FormatDSN()}
	config["Cache"] = []fields{{"Host": l.Via(s.servers.redisAddr)}}
	config["KV"] = []fields{{"Host": l.Via(s.servers.redisAddr)}}
	config["Events"] = fields{"Stream": "session-events"}
	file, err := s.write(name, config)
	if err != nil {
		return err
	}
	n := s.serve(name, authsessionKey, addr, s.cfg.AuthSession, file, l)
	s.auth = append(s.auth, n)
	return n.Start(ctx)
}

// startSession starts one more session node.
func (s *Site) startSession(ctx context.Context) (*node, error) {
	s.numbered++
	name := fmt.Sprint("session-", s.numbered)
	if s.numbered == 1 {
		s.mountLogs(name, diskOfSession)
	}
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	l, err := s.network(map[string][]string{toAuth: s.authAddrs, toBFF: {s.bff.Addr()}})
	if err != nil {
		return nil, err
	}
	if err := l.AddEtcd(toEtcd, s.servers.etcdAddrs...); err != nil {
		return nil, err
	}
	etcd := l.All(s.servers.etcdAddrs)
	find := func(key string) fields { return fields{"Etcd": fields{"Hosts": etcd, "Key": key}} }
	config := s.service(sessionKey, name, addr, etcd)
	config["AuthSession"], config["StatusClient"], config["GatewayClient"] = find(authsessionKey), find(statusKey), find(gatewayKey)
	bff := find(bffKey)
	bff["Timeout"] = 0
	groups := fields{}
	for _, g := range s.bff.Groups() {
		groups["/mtproto."+g] = bffKey
	}
	config["BFFProxyClients"] = fields{"Clients": []fields{bff}, "IDMap": groups}
	file, err := s.write(name, config)
	if err != nil {
		return nil, err
	}
	n := s.serve(name, sessionKey, addr, s.cfg.Session, file, l)
	return n, n.Start(ctx)
}

// startGateway starts one more gateway, for clients at an address.
func (s *Site) startGateway(ctx context.Context, clients string) error {
	name := fmt.Sprint("gateway-", len(s.gates)+1)
	rpc, err := proc.FreeAddr()
	if err != nil {
		return err
	}
	file, err := s.write(name, gate.Config{Listen: clients, RPC: rpc, Key: s.path("rsa.pem"), DC: DC, Etcd: s.servers.etcdAddrs, Stream: s.cfg.Stream})
	if err != nil {
		return err
	}
	n := s.serve(name, gatewayKey, rpc, s.cfg.Gateway, file, nil)
	s.gates = append(s.gates, n)
	return n.Start(ctx)
}

// retry is the pace at which status is asked again.
const retry = 200 * time.Millisecond
