package cluster

import (
	"context"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/embedded"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	"github.com/tgsession/tgsession/app/lab/status"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

// What the parts are called in etcd.
const (
	sessionKey     = "interface.session"
	authsessionKey = "service.authsession"
	gatewayKey     = "interface.gateway"
)

// Cluster is a running cluster.
type Cluster struct {
	cfg  Config
	logs string
	key  *rsa.PrivateKey

	etcd  []string
	redis string
	dsn   string

	disc        *discovery.Client
	status      *status.Server
	gateway     *gateway.Gateway
	entry       *gateway.Gateway // of EntryDC; nil: none
	bff         *bff.Server
	authsession *service
	adminAddr   string     // of authsession's admin API over gRPC
	sessions    []*service // the session nodes; those beyond the first may come and go

	undo []func() // what Close does, last one first
}

// Start brings up all parts in the order in which they need each other, and
// returns when a client can log in. On an error nothing is left running.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	cfg.setDefaults()
	c := &Cluster{cfg: cfg, logs: filepath.Join(cfg.Dir, "logs")}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := os.MkdirAll(c.logs, 0o700); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if c.key, err = gateway.LoadKey(c.path("rsa.pem")); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.PublicKeyPath(), gateway.PublicPEM(&c.key.PublicKey), 0o600); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	for _, start := range []func(context.Context) error{c.startStores, c.startAround, c.startPair} {
		if err := start(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) path(name string) string { return filepath.Join(c.cfg.Dir, name) }

func (c *Cluster) onClose(f func()) { c.undo = append(c.undo, f) }

// Close stops everything, the pair first.
func (c *Cluster) Close() {
	for _, f := range slices.Backward(c.undo) {
		f()
	}
	c.undo = nil
}

// startStores starts the servers that were not named.
func (c *Cluster) startStores(ctx context.Context) error {
	c.etcd, c.redis, c.dsn = c.cfg.Etcd, c.cfg.Redis, c.cfg.MySQL
	if len(c.etcd) == 0 {
		dir, err := os.MkdirTemp(c.cfg.Dir, "etcd-")
		if err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
		c.onClose(func() { _ = os.RemoveAll(dir) })
		e, err := embedded.StartEtcd(ctx, dir)
		if err != nil {
			return err
		}
		c.onClose(func() { _ = e.Close() })
		c.etcd = []string{e.Addr()}
	}
	if c.redis == "" {
		r, err := embedded.StartRedis()
		if err != nil {
			return err
		}
		c.onClose(func() { _ = r.Close() })
		c.redis = r.Addr()
	}
	if c.dsn == "" {
		m, err := embedded.StartMySQL(ctx, schema.Statements())
		if err != nil {
			return err
		}
		c.onClose(func() { _ = m.Close() })
		c.dsn = m.DSN()
	}
	var err error
	if c.disc, err = discovery.Dial(ctx, c.etcd); err != nil {
		return err
	}
	c.onClose(func() { _ = c.disc.Close() })
	return nil
}

// startAround starts what surrounds the pair. Gateway and BFF find session
// nodes as soon as there are any.
func (c *Cluster) startAround(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: c.redis})
	c.onClose(func() { _ = client.Close() })
	var err error
	c.status, err = status.Start(ctx, status.Config{Discovery: c.disc, Store: status.Redis(client)})
	if err != nil {
		return err
	}
	c.onClose(c.status.Close)

	pool := upstream.New(upstream.Config{Stream: c.cfg.StreamSession, Log: c.cfg.Log})
	c.onClose(pool.Close)
	if err := c.disc.Watch(ctx, sessionKey, pool.Update); err != nil {
		return err
	}
	if c.gateway, err = c.startGateway(ctx, c.cfg.DC, c.cfg.ListenOn, pool); err != nil {
		return err
	}
	entry, err := c.startEntry(ctx, pool)
	if err != nil {
		return err
	}

	b, err := bff.New(bff.Config{
		Discovery:   c.disc,
		AuthSession: zrpc.RpcClientConf{Etcd: discov.EtcdConf{Hosts: c.etcd, Key: authsessionKey}},
		Online:      c.status.Online,
		Stream:      c.cfg.StreamSession,
		DC:          c.cfg.DC,
		Gateway:     c.gateway.Addr(),
		Entry:       entry,
		Passwords:   c.cfg.Passwords,
		Delay:       func(method string) time.Duration { return c.cfg.Slow[method] },
		Logger:      c.cfg.BFFLog,
	})
	if err != nil {
		return err
	}
	c.bff = b
	c.onClose(b.Stop)
	return b.Start(ctx)
}

// startGateway starts the gateway of a data centre. It stays the cluster's to
// close, with an error too.
func (c *Cluster) startGateway(ctx context.Context, dc int, listen string, backend gateway.Backend) (*gateway.Gateway, error) {
	g, err := gateway.Start(gateway.Config{ListenOn: listen, Key: c.key, DC: dc, PingGrace: c.cfg.PingGrace, Backend: backend, Log: c.cfg.Log})
	if err != nil {
		return nil, err
	}
	c.onClose(func() { _ = g.Close() })
	_, err = c.disc.Publish(ctx, gatewayKey, g.ServerID())
	return g, err
}

// AddUser makes an account that the phone number logs in to, as if it had
// signed up under that name, and returns the user's id. An error says that the
// number cannot be used or has an account.
func (c *Cluster) AddUser(phone, firstName string) (int64, error) {
	return c.bff.AddUser(phone, firstName)
}

// Online returns the perm keys of a user that are online.
func (c *Cluster) Online(ctx context.Context, userID int64) ([]int64, error) {
	entries, err := c.status.Online(ctx, userID)
	keys := make([]int64, len(entries))
	for i, e := range entries {
		keys[i] = e.GetAuthKeyId()
	}
	return keys, err
}

// Part is a part of the cluster and where it is.
type Part struct{ Name, Addr string }

// Parts lists them, outermost first.
func (c *Cluster) Parts() []Part {
	parts := []Part{
		{"gateway, for clients", c.gateway.Addr()},
		{"gateway, for session", c.gateway.ServerID()},
	}
	if c.entry != nil {
		parts = append(parts, Part{fmt.Sprint("gateway of data centre ", c.cfg.EntryDC), c.entry.Addr()})
	}
	for _, s := range c.sessions {
		parts = append(parts, Part{"session", s.addr})
	}
	return append(parts,
		Part{"authsession", c.authsession.addr},
		Part{"etcd", c.etcd[0]},
		Part{"redis", c.redis},
		Part{"mysql", databaseAddr(c.dsn)},
	)
}

// databaseAddr is what of a DSN may be shown.
func databaseAddr(dsn string) string {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "?"
	}
	return cfg.Addr + "/" + cfg.DBName
}

// Addr is where clients connect.
func (c *Cluster) Addr() string { return c.gateway.Addr() }

// DC is the id of the data centre.
func (c *Cluster) DC() int { return c.cfg.DC }

// PublicKey is the RSA key clients need.
func (c *Cluster) PublicKey() *rsa.PublicKey { return &c.key.PublicKey }

// PublicKeyPath is a PEM file with it.
func (c *Cluster) PublicKeyPath() string { return c.path("rsa.pub.pem") }

// Fingerprint names it.
func (c *Cluster) Fingerprint() int64 { return c.gateway.Fingerprint() }

// Logs is the directory of all logs.
func (c *Cluster) Logs() string { return c.logs }
