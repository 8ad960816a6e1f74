// Package config is authsession.yaml: the keys of a stock file, all of them
// honoured or reported, and a few of our own, all of them optional.
package config

import (
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/internal/allow"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
)

// Config is the whole file.
type Config struct {
	zrpc.RpcServerConf
	Mysql Mysql
	Cache redisconf.Nodes // keys and logins
	KV    redisconf.Nodes // salts
	Salts Salts
	GeoIP GeoIP
	// Warmup fills the Cache after a start.
	Warmup Warmup
	Sweep  Sweep
	// Sessions and Concurrency are what holds for users without settings of
	// their own.
	Sessions    Sessions
	Concurrency Concurrency
	// Events is off unless it names a stream.
	Events  Events
	Touch   Touch
	Cleanup Cleanup
	// MaxInFlight bounds the calls of peers in flight; more are answered with code
	// 500. It stands for go-zero's shedder and breaker, which are off unless
	// CpuThreshold and Middlewares.Breaker ask for them. 0: no bound.
	MaxInFlight int `json:",default=8192,range=[0:1000000]"`
	// AllowPeers are the addresses and networks that calls may come from; none:
	// all may.
	AllowPeers []string `json:",optional"`
	// KeyEncryption is off unless it names a key.
	KeyEncryption KeyEncryption `json:",optional"`
	// Admin is off unless it names a listener.
	Admin Admin
	// SessionNodes says where the session nodes are, which are told when a login ends:
	// by Endpoints or by Etcd. What is absent is as Nodes says.
	SessionNodes zrpc.RpcClientConf `json:",optional"`
}

// Mysql is the database and the pool of connections to it.
type Mysql struct {
	DSN string `json:"DSN" example:"root:@tcp(127.0.0.1:3306)/teamgram?charset=utf8mb4&parseTime=true"`
	// ReadDSN is accepted and not used: a replica lags behind, and a read must
	// not show what a finished write has changed.
	ReadDSN     []string      `json:",optional"`
	Active      int           `json:",default=64"` // open connections at most
	Idle        int           `json:",default=64"` // of them kept when idle
	IdleTimeout time.Duration `json:",default=4h"` // until an idle one is closed
	// StartTimeout is how long a start waits for a server that does not answer
	// yet, at most 1h.
	StartTimeout time.Duration `json:",default=8s"`
	Migrate      bool          `json:",default=true"` // bring the schema up to date at start

	DisableStmtLog bool  `json:",optional"`    // no statements in the log but slow ones
	SlowThreshold  int64 `json:",default=500"` // ms; less than 500 counts as 500
}

// GeoIP is the database that names places for the list of devices.
type GeoIP struct {
	Path           string        `json:",optional"`   // a GeoLite2 City file, which may appear later; empty: none
	ReloadInterval time.Duration `json:",default=1m"` // between two looks whether the file is another one
}

// Sweep is the removal of temp keys whose time is over.
type Sweep struct {
	Enabled bool          `json:",default=true"`
	Period  time.Duration `json:",default=10m"`   // between two runs of a node, ±10 %
	Batch   int           `json:",default=500"`   // keys in one transaction, 1 to 5000
	Pause   time.Duration `json:",default=200ms"` // between two batches, at most 30s
	Grace   time.Duration `json:",default=1h"`    // how long an ended key stays; more than clocks differ
}

// Sessions is how long logins last.
type Sessions struct {
	// TTLDays is after how many idle days a login ends, unless its user chose
	// (account.setAuthorizationTTL); 0: never.
	TTLDays int `json:",default=180,range=[0:3650]"`
	// ConfirmWithin is how long a login that begins beside others counts as
	// unconfirmed, unless the user confirms it before; 0: none does.
	ConfirmWithin time.Duration `json:",default=0s"`
	// AnnounceLogins has the user's other devices told of a login that waits to be
	// confirmed, and of its confirmation (updateNewAuthorization). Off by default: a
	// BFF may send that itself. It is for session nodes whose Schema is 0.216.0 or
	// later; a node of an older one would garble the update.
	AnnounceLogins bool `json:",optional"`
}

// Concurrency is what a sign-in does to the user's other logins.
type Concurrency struct {
	Strategy string `json:",default=none,options=none|limit|limit-per-device-type|one-per-device-type|one"`
	Limit    int    `json:",default=1,range=[1:10000]"` // of limit and limit-per-device-type
	// Total bounds the logins of a user over all device types, beside what Strategy
	// says of each; 0: no bound. A user with a strategy of their own has that alone.
	Total int `json:",optional,range=[0:10000]"`
}

// Examples of go-zero's keys, for messages about those that are missing.
func (*Config) Examples() map[string]string {
	return map[string]string{"Name": "service.authsession", "ListenOn": "127.0.0.1:20450", "Etcd.Key": "service.authsession"}
}

// Complete sets defaults other than go-zero's; conf.Load calls it.
func (c *Config) Complete(given func(key string) bool) { rpcserver.Calm(&c.RpcServerConf, given) }

// DropSpans turns tracing off where Telemetry names nobody to collect spans: go-zero
// would make some for every call and throw them away, a tenth of what a cached call costs.
func (c *Config) DropSpans() {
	if c.Telemetry.Endpoint == "" || c.Telemetry.Disabled {
		c.Middlewares.Trace, c.SessionNodes.Middlewares.Trace = false, false
	}
}

// Validate completes go-zero's checks; conf.Load calls it.
func (c *Config) Validate() error {
	if err := c.RpcServerConf.Validate(); err != nil {
		return err
	}
	if err := conf.Check(table, c, c.off); err != nil {
		return err
	}
	dsn, err := mysql.ParseDSN(c.Mysql.DSN)
	if err != nil { // the driver's text does not hold the DSN
		return &conf.KeyError{Key: "Mysql.DSN", Problem: "is not a MySQL DSN", Fix: err.Error() + "; it looks like user:password@tcp(host:3306)/teamgram?charset=utf8mb4&parseTime=true"}
	}
	if dsn.DBName == "" {
		return &conf.KeyError{Key: "Mysql.DSN", Problem: "names no database", Fix: "add it after the address, for example tcp(127.0.0.1:3306)/teamgram"}
	}
	if err := c.Cache.Check("Cache"); err != nil {
		return err
	}
	if err := c.KV.Check("KV"); err != nil {
		return err
	}
	if _, err := allow.Parse(c.AllowPeers); err != nil {
		return err
	}
	if _, err := c.KeyEncryption.Sealer(); err != nil {
		return err
	}
	if err := c.Warmup.validate(); err != nil {
		return err
	}
	if err := c.Events.validate(); err != nil {
		return err
	}
	if err := c.Touch.validate(); err != nil {
		return err
	}
	if err := c.Cleanup.validate(c.Touch); err != nil {
		return err
	}
	if c.Sessions.AnnounceLogins && c.Sessions.ConfirmWithin == 0 {
		return &conf.KeyError{
			Key: "Sessions.AnnounceLogins", Problem: "has no effect without Sessions.ConfirmWithin: clients show only logins that wait to be confirmed",
			Fix: "set ConfirmWithin, for example to 168h, or leave AnnounceLogins out",
		}
	}
	if err := c.Salts.validate(); err != nil {
		return err
	}
	if err := c.Admin.validate(); err != nil {
		return err
	}
	if c.SessionNodes.Target != "" {
		return &conf.KeyError{Key: "SessionNodes.Target", Problem: "cannot name session nodes", Fix: "a key's node is found among all of them: set SessionNodes.Etcd or SessionNodes.Endpoints"}
	}
	return nil
}

// sessionKey is where session nodes publish themselves.
const sessionKey = "interface.session"

// Nodes is SessionNodes with its defaults: this service's own etcd, key
// interface.session. go-zero hands the members of the outer Etcd block down to
// this one, so our own key there means that none was given.
func (c *Config) Nodes() zrpc.RpcClientConf {
	nodes := c.SessionNodes
	if len(nodes.Endpoints) > 0 {
		nodes.Etcd = discov.EtcdConf{}
		return nodes
	}
	key := nodes.Etcd.Key
	if len(nodes.Etcd.Hosts) == 0 {
		nodes.Etcd = c.Etcd
	}
	nodes.Etcd.Key = key
	if key == "" || key == c.Etcd.Key {
		nodes.Etcd.Key = sessionKey
	}
	return nodes
}

// Renamed has the keys that an earlier release had under another name.
func (*Config) Renamed() map[string]string { return map[string]string{"Session": "SessionNodes"} }

// Unneeded names keys of stock files that are known, and why they are not needed.
func (*Config) Unneeded() map[string]string {
	const own = "each call has a time of its own"
	keys := map[string]string{
		"Mysql.Addr":         "Mysql.DSN has the address",
		"Mysql.QueryTimeout": own, "Mysql.ExecTimeout": own, "Mysql.TranTimeout": own,
	}
	for _, list := range []string{"Cache", "KV"} { // go-zero's client of Redis has them
		keys[list+".NonBlock"] = "a start waits for no Redis"
		keys[list+".PingTimeout"] = own
		keys[list+".MaintNotifications"] = "nobody is asked for such"
	}
	return keys
}

// Unused returns a warning for each accepted key of the file that has no
// effect.
func (c *Config) Unused() (warnings []string) {
	if len(c.Mysql.ReadDSN) > 0 {
		warnings = append(warnings, "config key Mysql.ReadDSN has no effect: reads go to the primary, since a replica may show what a finished write has changed")
	}
	return warnings
}
