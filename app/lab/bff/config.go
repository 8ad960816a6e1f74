package bff

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/proto/status"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	// Key is what a stock BFF registers as.
	Key = "bff.bff"
	// SessionKey is what the session nodes register as.
	SessionKey = "interface.session"
	// DefaultCode is the login code of a server that names none.
	DefaultCode = "12345"
	// SlowMethod is a method that may be made slow (Config.Delay) for tests of
	// what is in front of the server: it needs neither login nor arguments, and
	// no client waits for it where there is no CDN.
	SlowMethod = "help.getCdnConfig"
)

// Config says where the peers are and what the demo looks like. The zero
// value of a field means its documented default.
type Config struct {
	// ListenOn is host:port; port 0 takes a free one. Default 127.0.0.1:0.
	ListenOn string
	// Discovery registers the server as Key and finds the session nodes
	// under SessionKey. Nil: not registered, and pushes go to Sessions alone.
	// It stays the caller's to close, after Stop.
	Discovery *discovery.Client

	// AuthSession finds authsession: etcd or endpoints, as in any stock yaml.
	AuthSession zrpc.RpcClientConf
	// Sessions are the session nodes when there is no Discovery.
	Sessions []string
	// Online tells on which session nodes a user's keys are. Nil: nobody is
	// online and nothing is pushed.
	Online Presence
	// Stream pushes through one SessionDataStream a node, not by unary calls.
	Stream bool

	// Release names the table set. Default tl.Default.
	Release string
	// DC is the number of the data centre that has the accounts. Default 2.
	DC int
	// Gateway is the host:port that help.getConfig gives to clients. Empty:
	// it lists none.
	Gateway string
	// Entry is a second data centre, which sends clients to DC.
	Entry Entry
	// Code is the login code that everyone gets. Default DefaultCode.
	Code string
	// Passwords are the second factors, by phone number in digits.
	Passwords map[string]string

	// Delay, when set, says how long a call of the method (messages.sendMessage)
	// waits before it is handled. Fail, when set, may answer the call with an
	// error instead: a *tgerr.Error or a gRPC status.
	Delay func(method string) time.Duration
	Fail  func(method string) error

	// Sent, when set, hears of each message that a call has sent, before the
	// call is answered. Calls come at once.
	Sent func(Sent)

	// Logger takes what goes wrong behind an answered call. Default: nothing.
	Logger *zap.Logger
}

// Sent is a message and the call that sent it.
type Sent struct {
	// Key is the perm key, Session and MsgID name the call of that key: a client
	// that repeats a call in the same session repeats MsgID.
	Key, Session, MsgID int64
	Text                string
	// Place is the message's id in the recipient's box. 0: another call with the
	// same random id had sent it before, and this one has changed nothing.
	Place int
}

// Presence returns where the keys of a user are online, as sync reads it from
// the status service: gateway names the session node, auth_key_id the perm
// key (proto/PEERS.md, "status").
type Presence func(ctx context.Context, userID int64) ([]*status.SessionEntry, error)

func (c *Config) setDefaults() {
	if c.ListenOn == "" {
		c.ListenOn = "127.0.0.1:0"
	}
	if c.Release == "" {
		c.Release = tl.Default
	}
	if c.DC == 0 {
		c.DC = 2
	}
	if c.Code == "" {
		c.Code = DefaultCode
	}
	c.AuthSession.NonBlock = true // the loader's default, also for a Config built in code
	if c.Online == nil {
		c.Online = func(context.Context, int64) ([]*status.SessionEntry, error) { return nil, nil }
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}
