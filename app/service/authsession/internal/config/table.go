package config

import (
	"regexp"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/keytable"
)

// Table describes authsession.yaml.
func (*Config) Table() keytable.Table { return table }

const shortest = time.Millisecond

var table = concat(
	conf.ServerTable("service.authsession", "service.authsession"),
	keytable.Table{
		{Key: "Mysql.DSN", Secret: true, Mask: maskDSN, Doc: "The database: `user:password@tcp(host:3306)/teamgram?charset=utf8mb4&parseTime=true`. A `$` in the password stands for itself."},
		{Key: "Mysql.ReadDSN", Secret: true, Mask: maskDSN, Doc: "Read, and not used: a replica may show what a finished write has changed."},
		{Key: "Mysql.Active", Min: 1, Max: 100_000, Doc: "Open connections at most (stock reads and ignores this and the next two)."},
		{Key: "Mysql.Idle", Min: 0, Max: 100_000, Doc: "Of them kept when idle."},
		{Key: "Mysql.IdleTimeout", Min: time.Duration(0), Doc: "Until an idle one is closed."},
		{Key: "Mysql.StartTimeout", Min: time.Duration(0), Max: time.Hour, Doc: "How long a start waits for a MySQL that does not answer yet; `1m` where both are started together."},
		{Key: "Mysql.Migrate", Doc: "Bring the schema up to date at start, on an empty database with a warning; `false`: only `-migrate` does."},
		{Key: "Mysql.DisableStmtLog", Doc: "No statements in the log but slow ones."},
		{Key: "Mysql.SlowThreshold", Min: 0, Max: 3_600_000, Unit: "ms", Doc: "From when on a statement is slow; less than 500 counts as 500."},
	},
	redisTable("Redis nodes for keys and logins, at least one").Under("Cache[]."),
	redisTable("Redis nodes for salts and events, at least one").Under("KV[]."),
	keytable.Table{
		{Key: "AllowPeers", Reload: keytable.Live, Doc: "Addresses and networks whose calls are served; none: all (stock peers send no credentials)."},
		{Key: "MaxInFlight", Unit: "calls", Doc: "Calls at a time; more are answered 500 `INTERNAL_SERVER_ERROR`. 0: no bound. go-zero's shedder and breaker are off unless the file sets `CpuThreshold` or `Middlewares.Breaker`."},
		{Key: "KeyEncryption.File", Doc: "File with the key (32 bytes in hex or base64) that encrypts auth keys in MySQL and in the cache with AES-256-GCM."},
		{Key: "KeyEncryption.Env", Doc: "Or the name of a variable that holds it."},
		{Key: "KeyEncryption.PreviousFile", Doc: "File with another key, for reading alone; [`authsession.yaml`](../teamgramd/etc/authsession.yaml) says how to turn encryption on, rotate and turn it off."},
		{Key: "KeyEncryption.PreviousEnv", Doc: "Or the name of a variable that holds it."},
		{Key: "Sweep.Enabled", Doc: "Remove temp keys whose time is over, by one node at a time."},
		{Key: "Sweep.Period", Min: shortest, Doc: "Between two runs of a node, ±10 %."},
		{Key: "Sweep.Batch", Min: 1, Max: 5000, Unit: "keys", Doc: "In one transaction."},
		{Key: "Sweep.Pause", Min: time.Duration(0), Max: 30 * time.Second, Doc: "Between two batches."},
		{Key: "Sweep.Grace", Min: time.Duration(0), Doc: "How long an ended key stays; more than clocks differ."},
		{Key: "Sessions.TTLDays", Unit: "days", Reload: keytable.Live, Doc: "Idle days until a login ends, unless its user chose otherwise; 0: never. Another value reaches a login that is cached within an hour."},
		{Key: "Sessions.ConfirmWithin", Min: time.Duration(0), Reload: keytable.Live, Doc: "How long a login that begins beside others counts as unconfirmed; 0s: none does."},
		{Key: "Sessions.AnnounceLogins", Reload: keytable.Live, Doc: "Tell a user's other devices of a login that waits to be confirmed (`updateNewAuthorization`, layers from 163 on; only with ConfirmWithin, and with a `Schema` of the session nodes of 0.216.0 or later). Leave it off where the BFF sends it."},
		{Key: "Concurrency.Strategy", Reload: keytable.Live, Doc: "What a sign-in does to the user's other logins: nothing (`none`), Limit of a device type stay (`limit-per-device-type`), one of a type (`one-per-device-type`), one at all (`one`), Limit whatever their devices (`limit`); users may have a policy of their own, and have that alone then."},
		{Key: "Concurrency.Limit", Unit: "logins", Reload: keytable.Live, Doc: "Of `limit` and `limit-per-device-type`."},
		{Key: "Concurrency.Total", Unit: "logins", Reload: keytable.Live, Doc: "How many a user may have at all, beside any strategy; 0: no bound."},
		{Key: "Touch.CacheInterval", Min: time.Second, Max: maxDBInterval, Doc: "How often a sign of life of a session goes to Redis, for all nodes to see."},
		{Key: "Touch.DBInterval", Min: time.Second, Doc: "And from there to MySQL: CacheInterval to 8h."},
		{Key: "Cleanup.Enabled", Doc: "End the sessions that nobody uses, by one node at a time. `authsession cleanup` does it once. One that fails is tried again after 5s, three times in all."},
		{Key: "Cleanup.Period", Min: shortest, Doc: "Between two runs of a node."},
		{Key: "Cleanup.InactiveAfter", Min: time.Hour, Doc: "Idle time that ends a session; a user's own time goes first. At least three times Touch.DBInterval."},
		{Key: "Cleanup.BatchSize", Min: 1, Max: 5000, Unit: "sessions", Doc: "Or rows to remove, in one transaction."},
		{Key: "Cleanup.Sleep", Min: time.Duration(0), Max: 30 * time.Second, Doc: "Between two batches."},
		{Key: "Cleanup.JitterPct", Min: 0, Max: 50, Unit: "% of Period", Doc: "So that nodes drift apart."},
		{Key: "Cleanup.FirstRun", Doc: "End unused sessions of a stock install, too, before `authsession cleanup` was run once."},
		{Key: "Cleanup.KeepEnded", Min: leastKept, OrZero: true, Doc: "How long ended sessions, their addresses and history, and devices that nobody is logged in on stay; then the clean-up removes them. 0s: for ever. `authsession cleanup --dry-run` counts them."},
		{Key: "Warmup.Enabled", Doc: "After a start, one node reads the logins active last into the cache, as far as they are missing there."},
		{Key: "Warmup.Logins", Min: 1, Max: 1_000_000, Unit: "logins", Doc: "At most; about 3 KiB of Redis each."},
		{Key: "Warmup.PerSecond", Min: 1, Max: 10_000, Unit: "logins", Doc: "Of them in a second; within an hour all have to be read."},
		{Key: "Warmup.ActiveWithin", Min: time.Minute, Max: 720 * time.Hour, Doc: "Who was active before is left out."},
		{Key: "Events.Stream", Doc: "Key of a Redis stream on the KV nodes that tells of every session that begins, changes or ends, [as JSON](../deploy/events/session-event.schema.json), at least once. None: no events."},
		{Key: "Events.MaxLen", Min: 1, Max: 1 << 40, Unit: "events", Doc: "About as many of the newest stay on the stream."},
		{Key: "Events.Poll", Min: 10 * time.Millisecond, Max: time.Minute, Doc: "Until a new event is looked for."},
		{Key: "Events.Batch", Min: 1, Max: 1000, Unit: "events", Doc: "In one step."},
		{Key: "Events.Retain", Min: time.Minute, Max: 720 * time.Hour, Doc: "How long MySQL keeps published events, to publish them again when Redis comes back without them; readers skip ids they have seen."},
		{Key: "Events.Touched", Doc: "Signs of life are events, too: one a session and Touch.DBInterval."},
		{Key: "Events.Webhooks[].Name", Doc: "Name of a URL that gets each event by POST, with `X-Event-Signature: v1=` and the HMAC-SHA256 of timestamp, full stop and body; the events of a user in order. 1 to 14 letters and digits; at most 8 of them."},
		{Key: "Events.Webhooks[].URL", Doc: "https; http to this host alone, unless AllowPlain."},
		{Key: "Events.Webhooks[].SecretFile", Reload: keytable.File, Doc: "File with the key of the HMAC, 32 bytes or more."},
		{Key: "Events.Webhooks[].Types", Doc: "Types of events; none: all."},
		{Key: "Events.Webhooks[].Timeout", Min: 100 * time.Millisecond, Max: time.Minute, Doc: "Of a delivery."},
		{Key: "Events.Webhooks[].Attempts", Min: 1, Max: 100, Doc: "Until an event is given up."},
		{Key: "Events.Webhooks[].Backoff", Min: shortest, Max: time.Hour, Doc: "After the first failure, doubled with each, up to MaxBackoff."},
		{Key: "Events.Webhooks[].MaxBackoff", Min: shortest, Max: time.Hour, Doc: "The longest of these pauses; Backoff or more."},
		{Key: "Events.Webhooks[].Parallel", Min: 1, Max: 100, Doc: "Deliveries at a time, of different users."},
		{Key: "Events.Webhooks[].Queue", Min: 1, Max: 100_000, Unit: "events", Doc: "In memory; others wait in MySQL."},
		{Key: "Events.Webhooks[].AllowPlain", Doc: "Post to a URL without TLS, where something else encrypts."},
		{Key: "Salts.Life", Min: 10 * time.Second, Max: 24 * time.Hour, Doc: "For tests and labs: how long each server salt is the current one, in whole seconds. Nodes that share a Redis must agree."},
		{Key: "GeoIP.Path", Reload: keytable.File, Doc: "GeoLite2 City file for the list of devices, which may appear or be replaced at any time; `-mmdb` overrides it."},
		{Key: "GeoIP.ReloadInterval", Min: time.Duration(0), Doc: "Between two looks whether it is another file; less than 1s counts as 1s."},
		{Key: "SessionNodes", Block: true, Doc: "Session nodes, told when a login ends, by Etcd or Endpoints. Absent: this service's own etcd, key `interface.session`. App and Token where they have `Auth: true`."},
		{Key: "SessionNodes.Token", Secret: true},
		{Key: "SessionNodes.Etcd.Pass", Secret: true},
	},
	adminTable.Under("Admin."),
)

// redisTable describes one node of Cache or KV.
func redisTable(what string) keytable.Table {
	return keytable.Table{
		{Key: "Host", Doc: what + ": `host:port`; of a cluster or of sentinels several, with commas between them."},
		{Key: "Type", Doc: "`node`, `cluster` or `sentinel`."},
		{Key: "User", Doc: "Account at Redis."},
		{Key: "Pass", Secret: true, Doc: "Its password."},
		{Key: "Tls", Doc: "Encrypt the connections, as go-zero does, which checks no certificate."},
		{Key: "MasterName", Doc: "Of `sentinel`: what the sentinels call the primary and its replicas."},
		{Key: "SentinelUser", Doc: "Of `sentinel`: the account at the sentinels themselves."},
		{Key: "SentinelPass", Secret: true, Doc: "Its password."},
		{Key: "DisableIdentity", Doc: "No `CLIENT SETINFO`, which old servers and proxies do not know."},
		{Key: "Protocol", Doc: "Of RESP: 2 or 3."},
		{Key: "Weight", Doc: "Share of the keys, beside other nodes of the list."},
	}
}

// adminTable describes the block Admin.
var adminTable = keytable.Table{
	{Key: "ListenOn", Doc: "Where the [admin API](admin.md) listens for gRPC, as `127.0.0.1:20452`; without it and Rest.Port the API is off."},
	{Key: "Rest.Host", Doc: "Where it listens for REST."},
	{Key: "Rest.Port", Min: 0, Max: 65535, Doc: "Its port, as 20453; 0: no REST."},
	{Key: "TLS.CertFile", Reload: keytable.File, Doc: "Certificate of both listeners, in PEM; needed beyond loopback, unless AllowPlain."},
	{Key: "TLS.KeyFile", Reload: keytable.File, Doc: "Its key."},
	{Key: "TLS.ClientCAFile", Reload: keytable.File, Doc: "What signs the certificates of clients, which come with them instead of tokens, or beside them."},
	{Key: "TLS.Clients", Doc: "Name in a client's certificate to its scopes."},
	{Key: "Tokens.HMACKeyFile", Reload: keytable.File, Doc: "File with the key of bearer tokens, 32 bytes or more, HS256."},
	{Key: "Tokens.PublicKeyFile", Reload: keytable.File, Doc: "Or the public key of who signs them, in PEM: RS256, ES256 or EdDSA."},
	{Key: "Tokens.Algorithm", Doc: "The key's, where it is to be pinned by name, too."},
	{Key: "Tokens.Keys[].ID", Doc: "A further key's name, which tokens have as `kid`: so one is replaced by another while tokens of both are in use."},
	{Key: "Tokens.Keys[].HMACKeyFile", Reload: keytable.File, Doc: "As Tokens.HMACKeyFile."},
	{Key: "Tokens.Keys[].PublicKeyFile", Reload: keytable.File, Doc: "As Tokens.PublicKeyFile."},
	{Key: "Tokens.JWKSFile", Reload: keytable.File, Doc: "A JSON Web Key Set with public keys, by `kid`."},
	{Key: "Tokens.JWKSURL", Doc: "Where such a set is read from, again and again: https, or this host."},
	{Key: "Tokens.DenyFile", Reload: keytable.File, Doc: "Tokens that count no more, one a line: a `jti`, or `sub:` and a subject."},
	{Key: "Tokens.MaxLife", Min: time.Minute, OrZero: true, Doc: "Of a token, from `iat` to `exp`; 0s: no bound."},
	{Key: "Tokens.Issuer", Doc: "When set, tokens must name it (`iss`)."},
	{Key: "Tokens.Audience", Doc: "Likewise (`aud`)."},
	{Key: "OIDC.Issuer", Doc: "Who signs operators in at the [console](console.md), an https address; none: they bring tokens."},
	{Key: "OIDC.ClientID", Doc: "The console's name there."},
	{Key: "OIDC.ClientSecretFile", Doc: "File with its secret; none: it has none (PKCE alone)."},
	{Key: "OIDC.Scopes", Doc: "What it asks for beside `openid`."},
	{Key: "OIDC.NameClaim", Doc: "Claim that names the operator in the audit log."},
	{Key: "OIDC.RolesClaim", Doc: "Claim that lists the operator's roles."},
	{Key: "OIDC.Grants", Doc: "Role to scopes of the admin API; at least one."},
	{Key: "OIDC.Life", Min: time.Minute, Max: 24 * time.Hour, OrZero: true, Doc: "How long a sign-in lasts."},
	{Key: "AllowPlain", Doc: "Listen on a network without TLS, where something in front encrypts."},
	{Key: "RateLimit.PerSecond", Min: 0.001, Max: 10000.0, Unit: "calls", Doc: "Of each caller, and refused calls of each address."},
	{Key: "RateLimit.Burst", Min: 1, Max: 1_000_000, Unit: "calls", Doc: "At once."},
	{Key: "Refusals.PerMinute", Min: 0.001, Max: 600.0, Unit: "rows", Doc: "Refused calls that a node writes down in a minute; one row tells of those before it that were left out."},
	{Key: "Refusals.Burst", Min: 1, Max: 1000, Unit: "rows", Doc: "At once."},
	{Key: "Refusals.Keep", Min: time.Hour, Doc: "Until they are removed."},
	{Key: "Timeout", Min: 100 * time.Millisecond, Max: 5 * time.Minute, Doc: "Of a call."},
	{Key: "KeepLog", Min: time.Hour, OrZero: true, Doc: "How long the audit log is kept; 0s: for ever."},
}

// off reports whether a key belongs to a part that is switched off, where its value
// means nothing.
func (c *Config) off(key string) bool {
	block, _, _ := strings.Cut(key, ".")
	switch block {
	case "Sweep":
		return !c.Sweep.Enabled
	case "Warmup":
		return !c.Warmup.Enabled
	case "Cleanup":
		return !c.Cleanup.Enabled
	case "Events":
		return !c.Events.Enabled()
	case "Admin":
		return !c.Admin.Enabled()
	}
	return false
}

func concat(tables ...keytable.Table) (all keytable.Table) {
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// password is what stands between the account and the address of a DSN. The address
// begins behind the last @, as the driver has it.
var password = regexp.MustCompile(`^([^:@]*):.*@`)

func maskDSN(dsn string) string { return password.ReplaceAllString(dsn, "$1:"+keytable.Masked+"@") }
