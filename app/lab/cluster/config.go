package cluster

import (
	"cmp"
	"log/slog"
	"time"

	"go.uber.org/zap"
)

// Config of a Cluster.
type Config struct {
	// Dir holds keys, configuration files, logs and what etcd writes. It is
	// made when it is missing.
	Dir string

	// MySQL (a DSN of go-sql-driver), Redis (host:port) and Etcd (host:port
	// each) name real servers. What is empty is embedded. A real database is
	// brought up to date by authsession itself.
	MySQL string
	Redis string
	Etcd  []string

	// Session and AuthSession are the programs, with arguments; "-f FILE" is
	// added.
	Session, AuthSession []string
	// SessionYAML and AuthSessionYAML are lines added to the configuration
	// files.
	SessionYAML, AuthSessionYAML string

	// Console is where authsession serves its admin API over REST and the session console,
	// host:port. With it the admin API is served over gRPC, too (AdminAddr), and the session
	// nodes have a DevServer (DevServers). Empty: none of these.
	Console string
	// ConsoleIssuer is an OpenID Connect issuer at which people may sign in to the
	// console: as the public client "lab", with the role "operator" in the claim groups.
	// Empty: none.
	ConsoleIssuer string

	// SessionNodes is how many session nodes there are at the start, 0 means 1;
	// AddSession and RemoveSession change it.
	SessionNodes int
	// SaltLife is how long each server salt is the current one: whole seconds,
	// 10s at least. 0 means as long as in a stock install, 30m.
	SaltLife time.Duration

	// ListenOn is where clients connect. Empty means a free loopback port.
	ListenOn string
	// PingGrace is how much longer than ping_delay_disconnect says the gateway
	// keeps a silent connection. Zero means 75s.
	PingGrace time.Duration
	// DC is the id of the data centre. Zero means 2.
	DC int
	// EntryDC is a second data centre, with a gateway at EntryListenOn (empty: a
	// free loopback port), that sends clients who log in to DC: some clients
	// are built to begin at another one (TDLib at 1). Zero means none.
	EntryDC       int
	EntryListenOn string
	// Passwords are second factors, by phone number in digits.
	Passwords map[string]string
	// Slow is how long methods of the BFF (help.getCdnConfig) take longer than
	// they have to.
	Slow map[string]time.Duration
	// StreamSession makes gateway and BFF use streams to session.
	StreamSession bool

	// Log takes what the parts in this process have to say, BFFLog the same
	// of the BFF. Nil means nothing.
	Log    *slog.Logger
	BFFLog *zap.Logger
}

func (c *Config) setDefaults() {
	c.ListenOn = cmp.Or(c.ListenOn, "127.0.0.1:0")
	c.EntryListenOn = cmp.Or(c.EntryListenOn, "127.0.0.1:0")
	c.DC = cmp.Or(c.DC, 2)
	c.SessionNodes = cmp.Or(c.SessionNodes, 1)
	c.SaltLife = cmp.Or(c.SaltLife, 30*time.Minute)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}
