package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// ErrUnknownKey says that no such auth key exists, or no longer.
var ErrUnknownKey = errors.New("upstream: unknown auth key")

// ErrNoNode says that no session node turned up in time.
var ErrNoNode = errors.New("upstream: no session node")

const (
	codeRedirect     = codes.Code(700)
	redirectPrefix   = "REDIRECT_TO_"
	codeUnauthorized = codes.Code(401)
	keyUnregistered  = "AUTH_KEY_UNREGISTERED"

	maxFailures = 3

	// retireWithin is how long a node that left may take to answer what is in
	// flight: longer than gateways have a request over HTTP wait.
	retireWithin = 35 * time.Second
)

// Config of a Pool.
type Config struct {
	// Stream sends data through one stream a node in place of unary calls.
	Stream bool
	// Timeout bounds each call and the wait for a node. Zero means 5s.
	Timeout time.Duration
	// Log takes what goes wrong. Nil means slog.Default.
	Log *slog.Logger
}

// Pool is the session nodes. It is safe for concurrent use.
type Pool struct {
	cfg Config

	mu      sync.Mutex
	nodes   map[string]*node
	ring    Ring
	changed chan struct{} // closed at each change of the ring
	closed  bool

	ctx      context.Context
	cancel   context.CancelFunc
	retiring sync.WaitGroup
}

// New returns a pool without nodes.
func New(cfg Config) *Pool {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	p := &Pool{cfg: cfg, nodes: map[string]*node{}, ring: NewRing(), changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Update replaces the set of nodes by the given addresses; nodes that left the
// ring because they failed are back in it if they are among them. What is in
// flight to a node that is not among them ends by itself, in up to 35 s.
func (p *Pool) Update(addrs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for addr, n := range p.nodes {
		if !slices.Contains(addrs, addr) {
			delete(p.nodes, addr)
			p.retiring.Go(func() {
				ctx, cancel := context.WithTimeout(p.ctx, retireWithin)
				defer cancel()
				n.retire(ctx)
			})
		}
	}
	for _, addr := range addrs {
		if n, known := p.nodes[addr]; known {
			n.failures.Store(0)
			continue
		}
		n, err := newNode(addr, p)
		if err != nil {
			p.cfg.Log.Error("session node cannot be used", "node", addr, "err", err)
			continue
		}
		p.nodes[addr] = n
	}
	p.rebuild()
}

// rebuild makes the ring of all nodes that answer. Lock held on entry.
func (p *Pool) rebuild() {
	var live []string
	for addr, n := range p.nodes {
		if n.failures.Load() < maxFailures {
			live = append(live, addr)
		}
	}
	slices.Sort(live)
	p.ring = NewRing(live...)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close ends all calls, streams and connections.
func (p *Pool) Close() {
	p.cancel()
	p.Update(nil)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.retiring.Wait()
}

// owner waits until some node owns the key: during a restart of the only node
// the client's packets wait with it. A call of the node is over with
// node.calls.Done.
func (p *Pool) owner(ctx context.Context, key int64) (*node, error) {
	for {
		p.mu.Lock()
		addr, ok := p.ring.Owner(key)
		n, changed := p.nodes[addr], p.changed
		if ok {
			n.calls.Add(1)
		}
		p.mu.Unlock()
		if ok {
			return n, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w for key %d", ErrNoNode, key)
		}
	}
}

// node finds a node by address; a call of it is over with node.calls.Done.
func (p *Pool) node(addr string) (*node, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.nodes[addr]
	if ok {
		n.calls.Add(1)
	}
	return n, ok
}

// failed counts a silent node out after some failures in a row.
func (p *Pool) failed(n *node) {
	if n.failures.Add(1) != maxFailures {
		return
	}
	p.cfg.Log.Warn("session node left the ring", "node", n.addr)
	p.mu.Lock()
	p.rebuild()
	p.mu.Unlock()
}

// call runs f on the owner of key, follows one redirect, and tries once more
// when the node did not answer.
func (p *Pool) call(ctx context.Context, key int64, f func(context.Context, *node) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	for retry := true; ; retry = false {
		n, err := p.owner(ctx, key)
		if err != nil {
			return err
		}
		err = f(ctx, n)
		n.calls.Done()
		if to, ok := redirect(err); ok {
			other, known := p.node(to)
			if !known {
				return fmt.Errorf("upstream: %s redirects to unknown %s", n.addr, to)
			}
			defer other.calls.Done()
			return f(ctx, other)
		}
		switch status.Code(err) {
		case codes.Unavailable, codes.DeadlineExceeded:
			p.failed(n)
			if retry && ctx.Err() == nil {
				continue
			}
		default:
			n.failures.Store(0)
		}
		return err
	}
}

func redirect(err error) (addr string, ok bool) {
	s, isStatus := status.FromError(err)
	if err == nil || !isStatus || s.Code() != codeRedirect {
		return "", false
	}
	return strings.CutPrefix(s.Message(), redirectPrefix)
}

// QueryAuthKey returns a key and what it is bound to, or ErrUnknownKey.
func (p *Pool) QueryAuthKey(ctx context.Context, id int64) (info *mtproto.AuthKeyInfo, err error) {
	q := &session.TLSessionQueryAuthKey{AuthKeyId: id}
	err = p.call(ctx, id, func(ctx context.Context, n *node) (err error) {
		if p.cfg.Stream {
			info, err = n.link.query(ctx, q)
		} else {
			info, err = n.rpc.SessionQueryAuthKey(ctx, q)
		}
		return err
	})
	if isUnknownKey(err) {
		return nil, ErrUnknownKey
	}
	return info, err
}

func isUnknownKey(err error) bool {
	s, _ := status.FromError(err)
	return err != nil && s.Code() == codeUnauthorized && s.Message() == keyUnregistered
}

// SetAuthKey stores a new key, always by a unary call.
func (p *Pool) SetAuthKey(ctx context.Context, q *session.TLSessionSetAuthKey) error {
	return p.call(ctx, q.GetAuthKey().GetAuthKeyId(), func(ctx context.Context, n *node) error {
		ok, err := n.rpc.SessionSetAuthKey(ctx, q)
		if err == nil && ok.GetPredicateName() != "boolTrue" {
			err = errors.New("upstream: session refused the key")
		}
		return err
	})
}

// SendData hands a client's packet to its session. With streams it returns
// when the packet is on its way, and q belongs to the pool. gone is called, at
// once or later, when session knows the packet's key no longer.
func (p *Pool) SendData(ctx context.Context, data *session.SessionClientData, gone func()) error {
	err := p.call(ctx, data.GetPermAuthKeyId(), func(ctx context.Context, n *node) error {
		q := &session.TLSessionSendDataToSession{Data: data}
		if p.cfg.Stream {
			return n.link.post(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{SendData: q}}, gone)
		}
		_, err := n.rpc.SessionSendDataToSession(ctx, q)
		return err
	})
	if isUnknownKey(err) {
		gone()
		return nil
	}
	return err
}

// SendHTTP hands over a packet that came over HTTP and returns what answers it.
// Session may keep it as long as ctx lasts. Its sender cannot know the perm
// key, so the transport key chooses the node, which sends it on.
func (p *Pool) SendHTTP(ctx context.Context, data *session.SessionClientData) ([]byte, error) {
	find, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	n, err := p.owner(find, data.GetAuthKeyId())
	cancel()
	if err != nil {
		return nil, err
	}
	defer n.calls.Done()
	out, err := n.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: data})
	if isUnknownKey(err) {
		return nil, ErrUnknownKey
	}
	return out.GetPayload(), err
}

// CloseSession tells that the last connection of a session is gone.
func (p *Pool) CloseSession(ctx context.Context, ev *session.SessionClientEvent) error {
	return p.call(ctx, ev.GetPermAuthKeyId(), func(ctx context.Context, n *node) error {
		q := &session.TLSessionCloseSession{Client: ev}
		if p.cfg.Stream {
			return n.link.post(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_CloseSession{CloseSession: q}}, nil)
		}
		_, err := n.rpc.SessionCloseSession(ctx, q)
		return err
	})
}
