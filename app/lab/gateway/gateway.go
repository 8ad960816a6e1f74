package gateway

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
	gatewaypb "github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// Backend is the session service as the gateway uses it; *upstream.Pool is
// the real one.
type Backend interface {
	// QueryAuthKey returns upstream.ErrUnknownKey for a key that is not there.
	QueryAuthKey(ctx context.Context, id int64) (*mtproto.AuthKeyInfo, error)
	SetAuthKey(ctx context.Context, q *session.TLSessionSetAuthKey) error
	// SendData calls gone, at once or later, when the packet's key is unknown.
	SendData(ctx context.Context, data *session.SessionClientData, gone func()) error
	CloseSession(ctx context.Context, ev *session.SessionClientEvent) error
	// SendHTTP returns the payload that answers a packet; an empty one is
	// none. It returns upstream.ErrUnknownKey for a key that is not there.
	SendHTTP(ctx context.Context, data *session.SessionClientData) (payload []byte, err error)
}

// Config of a Gateway.
type Config struct {
	// ListenOn is where clients connect, RPCListenOn where session nodes do.
	// Empty means a free loopback port. The latter names the gateway in the
	// cluster, so its host must be one others can reach.
	ListenOn, RPCListenOn string
	// Key is the RSA key of the key exchange.
	Key *rsa.PrivateKey
	// DC is the id of the data centre. Zero means 2.
	DC int
	// Test is the test environment's numbering of data centres.
	Test bool
	// PrimeBits is the length of the primes of the key exchange's proof of
	// work. Zero means 31; tests may do with less.
	PrimeBits int
	// Backend is the session service.
	Backend Backend
	// Log defaults to slog.Default.
	Log *slog.Logger
	// Now defaults to time.Now.
	Now func() time.Time

	// MaxPacket is the longest packet in bytes, both ways. Zero means 4 MiB.
	MaxPacket int
	// OutboxItems and OutboxBytes bound what waits to be written to one
	// client. Zero means 1024 and 8 MiB.
	OutboxItems, OutboxBytes int
	// OpenTimeout is how long a client may take to its first session, and
	// IdleTimeout how long it may be silent afterwards. Zero means 60s and
	// 10 minutes.
	OpenTimeout, IdleTimeout time.Duration
	// PingGrace is how much longer than ping_delay_disconnect says a silent
	// connection is kept (PING-2). Zero means 75s, after which the stock
	// session takes a silent client for gone: some clients ask for a few seconds
	// while they are in use and go on to ping once a minute when they are not,
	// and would connect anew for each ping.
	PingGrace time.Duration
	// WriteTimeout is how long one write may take. Zero means 15s.
	WriteTimeout time.Duration
	// HTTPWait is how long session may keep a request that came over HTTP.
	// Zero means 30s, which is more than clients ask for.
	HTTPWait time.Duration
}

func (c *Config) setDefaults() {
	const loopback = "127.0.0.1:0"
	c.ListenOn = cmp.Or(c.ListenOn, loopback)
	c.RPCListenOn = cmp.Or(c.RPCListenOn, loopback)
	c.DC = cmp.Or(c.DC, 2)
	c.MaxPacket = cmp.Or(c.MaxPacket, 4<<20)
	c.OutboxItems = cmp.Or(c.OutboxItems, 1024)
	c.OutboxBytes = cmp.Or(c.OutboxBytes, 8<<20)
	c.OpenTimeout = cmp.Or(c.OpenTimeout, time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	c.PingGrace = cmp.Or(c.PingGrace, 75*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 15*time.Second)
	c.HTTPWait = cmp.Or(c.HTTPWait, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Gateway serves clients on one port and session nodes on another.
type Gateway struct {
	cfg      Config
	log      *slog.Logger
	backend  Backend
	keyex    *keyex.Server
	keys     *keyCache
	hub      *hub
	web      *web
	serverID string

	clients net.Listener
	rpc     *grpc.Server
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// Start listens on both ports and serves until Close.
func Start(cfg Config) (*Gateway, error) {
	cfg.setDefaults()
	if cfg.Backend == nil {
		return nil, errors.New("gateway: no backend")
	}
	g := &Gateway{cfg: cfg, log: cfg.Log, backend: cfg.Backend, hub: newHub(), conns: map[*conn]struct{}{}}
	g.keys = newKeyCache(cfg.Backend, cfg.Now)
	var err error
	g.keyex, err = keyex.NewServer(keyex.Config{Key: cfg.Key, DC: cfg.DC, Test: cfg.Test, PrimeBits: cfg.PrimeBits, Register: g.register, Now: cfg.Now})
	if err != nil {
		return nil, err
	}
	rpc, err := net.Listen("tcp", cfg.RPCListenOn)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if g.clients, err = net.Listen("tcp", cfg.ListenOn); err != nil {
		_ = rpc.Close()
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.serverID = rpc.Addr().String()
	g.ctx, g.stop = context.WithCancel(context.Background())

	// Session nodes keep idle links alive with pings.
	g.rpc = grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}))
	gatewaypb.RegisterRPCGatewayServer(g.rpc, &rpcServer{gw: g})
	gatewaypb.RegisterRPCGatewayStreamServer(g.rpc, &rpcServer{gw: g})
	grpc_health_v1.RegisterHealthServer(g.rpc, health.NewServer())
	g.web = newWeb(g)
	g.wg.Go(func() { _ = g.rpc.Serve(rpc) })
	g.wg.Go(g.web.run)
	g.wg.Go(g.accept)
	return g, nil
}

// register stores a new key and says why it cannot be stored: the client only
// hears that it should try another one.
func (g *Gateway) register(ctx context.Context, k keyex.NewKey) error {
	err := g.keys.register(ctx, k)
	if err != nil {
		g.log.Warn("new key not taken by session", "auth_key_id", k.Key.IntID(), "err", err)
	}
	return err
}

// Addr is where clients connect.
func (g *Gateway) Addr() string { return g.clients.Addr().String() }

// ServerID is the address session nodes send to, and the gateway's name.
func (g *Gateway) ServerID() string { return g.serverID }

// Fingerprint names the RSA key.
func (g *Gateway) Fingerprint() int64 { return g.keyex.Fingerprint() }

// Close cuts all connections, tells session, and waits for all of it.
func (g *Gateway) Close() error {
	err := g.clients.Close()
	g.stop()
	g.mu.Lock()
	for c := range g.conns {
		c.close()
	}
	g.mu.Unlock()
	g.web.close()
	g.rpc.Stop()
	g.wg.Wait()
	return err
}

func (g *Gateway) accept() {
	for {
		nc, err := g.clients.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			g.log.Warn("accept", "err", err)
			select {
			case <-time.After(100 * time.Millisecond): // out of descriptors, say
			case <-g.ctx.Done():
				return
			}
			continue
		}
		c := newConn(g, nc)
		g.mu.Lock()
		g.conns[c] = struct{}{}
		closing := g.ctx.Err() != nil
		g.mu.Unlock()
		if closing {
			c.close()
		}
		g.wg.Go(func() {
			c.serve(g.ctx)
			g.mu.Lock()
			delete(g.conns, c)
			g.mu.Unlock()
		})
	}
}
