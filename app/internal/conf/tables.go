package conf

import (
	"errors"
	"time"

	"github.com/tgsession/tgsession/app/internal/keytable"
)

// DefaultWaitTime is how long a stop may take where the file has no Shutdown.WaitTime:
// Kubernetes kills after 30 s, and something is left for the end of the process.
const DefaultWaitTime = 25 * time.Second

// Tabled is a configuration whose keys a table describes.
type Tabled interface{ Table() keytable.Table }

// Check returns a *KeyError for the first value of v, a pointer to a struct, that
// table does not allow; keys for which off reports true are passed over.
func Check(table keytable.Table, v any, off func(key string) bool) error {
	err := table.Validate(v, off)
	if wrong := (*keytable.OutOfRangeError)(nil); errors.As(err, &wrong) {
		return &KeyError{Key: wrong.Key, Problem: "is " + wrong.Value, Fix: "give " + wrong.Allowed}
	}
	return err
}

// ServerTable describes the keys of go-zero's RpcServerConf, for a service by its
// name and its key in etcd. What go-zero documents stands in blocks.
func ServerTable(name, etcdKey string) keytable.Table {
	return keytable.Table{
		{Key: "Name", Doc: "Name of the service in logs, metrics and traces: `" + name + "`."},
		{Key: "ListenOn", Doc: "Address that the service listens on, as `0.0.0.0:20120`; with 0.0.0.0 the host's own address is published."},
		{Key: "Mode", Doc: "go-zero's mode: `pro` keeps its reports of load on."},
		{Key: "Timeout", Unit: "ms", Doc: "go-zero's time limit for a call of a peer. session does not use it: its handlers have limits of their own."},
		{Key: "MethodTimeouts", Block: true, Doc: "Time limits of single methods, each with FullMethod and Timeout."},
		{Key: "Auth", Doc: "Peers have to show an app and its token, which stand in the hash `Redis.Key`."},
		{Key: "StrictControl", Doc: "With Auth: refuse calls while Redis cannot be asked."},
		{Key: "CpuThreshold", Absent: "off", Unit: "‰ of the CPU", Doc: "go-zero's load shedding; off, unless the file has this key. Above it calls are refused."},
		{Key: "Health", Doc: "Serve gRPC's health service."},
		{Key: "MetricsUrl", Doc: "Where go-zero sends its reports of load."},
		{Key: "Log.Level", Reload: keytable.Live, Doc: "Least level that is logged."},
		{Key: "Log", Block: true, Doc: "[go-zero's log](https://go-zero.dev/docs/tutorials/go-zero/configuration/log)."},
		{Key: "Prometheus", Block: true, Doc: "[Metrics](metrics.md) on a port of their own, where there is a Host."},
		{Key: "Telemetry.OtlpHeaders", Secret: true, Doc: "Headers for the collector of traces."},
		{Key: "Telemetry", Block: true, Doc: "[Traces](https://go-zero.dev/docs/tutorials/monitor/index); without an Endpoint none are made."},
		{Key: "DevServer", Block: true, Doc: "[Metrics, health and profiles](https://go-zero.dev/docs/tutorials/monitor/index) for who operates the service."},
		{Key: "Shutdown.WaitTime", Absent: "`" + DefaultWaitTime.String() + "`", Doc: "How long a stop may take. go-zero's own default, 5.5s, counts as none."},
		{Key: "Shutdown", Block: true, Doc: "The end of the process."},
		{Key: "Profiling.AuthPassword", Secret: true, Doc: "Password at the server of profiles."},
		{Key: "Profiling", Block: true, Doc: "Profiles sent to a server while the CPU is busy."},
		{Key: "Middlewares.Breaker", Absent: "`false`", Doc: "go-zero's breaker for calls of peers."},
		{Key: "Middlewares", Block: true, Doc: "What go-zero does around each call."},
		{Key: "Redis", Block: true, Doc: "The Redis that Auth asks, and Key, the hash in it."},
		{Key: "Redis.Pass", Secret: true},
		{Key: "Etcd", Block: true, Doc: "The etcd that the service is published in, as Key (`" + etcdKey + "`); without it nobody finds the service by etcd. Blocks of clients without Hosts, User, Pass or certificates have these."},
		{Key: "Etcd.Pass", Secret: true},
	}
}

// ClientTable describes the keys of go-zero's RpcClientConf under a key; doc says whom
// the client calls.
func ClientTable(key, doc string) keytable.Table {
	return keytable.Table{
		{Key: key, Block: true, Doc: doc},
		{Key: key + ".Token", Secret: true},
		{Key: key + ".Etcd.Pass", Secret: true},
	}
}
