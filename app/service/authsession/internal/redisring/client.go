package redisring

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
)

// findTimeout bounds a connection that is made by way of sentinels: to ask the one
// that answered last, twice, then all of them, and to connect. Callers wait as
// long as ever. With less, go-redis would stay with a sentinel that hangs: it turns
// to the others only while it has time left.
const findTimeout = 5 * timeout

// onePool has pipelines use the connections that all else uses. go-redis would keep ten
// more for them, with 256 KiB of buffers each.
const onePool = -1

// silence keeps go-redis from writing each failed connection to standard
// error: the errors come back as values.
var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// NewClient makes a client of one node, as a Ring has it; it connects to nothing.
func NewClient(c redisconf.Node) redis.UniversalClient {
	silence()
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch c.Type {
	case redisconf.TypeCluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: c.Hosts(), Username: c.User, Password: c.Pass, TLSConfig: security(c), Protocol: c.Protocol,
			DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
			DisableIdentity: c.DisableIdentity, MaintNotificationsConfig: quiet, DisableRoutingPolicies: true,
		})
	case redisconf.TypeSentinel:
		client := redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: c.MasterName, SentinelAddrs: c.Hosts(), SentinelUsername: c.SentinelUser, SentinelPassword: c.SentinelPass,
			Username: c.User, Password: c.Pass, TLSConfig: security(c), Protocol: c.Protocol, MaxRetries: -1,
			Dialer: dialer(c), DialTimeout: findTimeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true, DialerRetries: 1,
			DisableIdentity: c.DisableIdentity, PipelinePoolSize: onePool,
		})
		client.AddHook(dials{})
		return client
	}
	return redis.NewClient(&redis.Options{
		Addr: c.Host, Username: c.User, Password: c.Pass, TLSConfig: security(c), Protocol: c.Protocol, MaxRetries: -1,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true, DialerRetries: 1,
		DisableIdentity: c.DisableIdentity, PipelinePoolSize: onePool, MaintNotificationsConfig: quiet,
	})
}

// security is as go-zero has it: encrypted, not authenticated.
func security(c redisconf.Node) *tls.Config {
	if !c.Tls {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true}
}

// dialer connects to a sentinel or to Redis in the time of a call.
func dialer(c redisconf.Node) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := (&net.Dialer{}).DialContext
	if c.Tls {
		dial = (&tls.Dialer{Config: security(c)}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return dial(bounded, network, address)
	}
}

// dials keeps what sentinels answer, while a connection is made, from being taken
// for an answer of Redis. go-redis joins their errors to the one of the call, and
// "no such group" is redis.Nil: a write would look done, a key not there.
type dials struct{}

func (dials) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

func (dials) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (dials) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// dialError says why there is no connection. It is a net.Error, and nothing else
// of what it is made of shows.
type dialError struct{ err error }

func (e *dialError) Error() string   { return e.err.Error() }
func (e *dialError) Timeout() bool   { return timedOut(e.err) }
func (e *dialError) Temporary() bool { return true }

// Is finds the end of the caller's time.
func (e *dialError) Is(target error) bool {
	return (target == context.DeadlineExceeded || target == context.Canceled) && errors.Is(e.err, target)
}
