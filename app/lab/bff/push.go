package bff

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/zeromicro/go-zero/core/hash"
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// maxPushes bounds the pushes that wait for status, and those that wait for
// one node.
const maxPushes = 4096

// pusher brings updates to the sessions of a user, as sync does: status tells
// on which session node each of their keys is online; a node it names that is
// gone is replaced by the owner of the key (proto/PEERS.md, "Discovery and
// sharding"). Pushes leave in the order they came, off the path of the call.
type pusher struct {
	online Presence
	stream bool
	log    *zap.Logger
	schema *tl.Schema
	fields resetFields

	queue   chan push
	ctx     context.Context
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	nodes map[string]*node // by address; nil once closed
	ring  *hash.ConsistentHash
}

// push is an encoded mtproto.Updates for all online keys of a user but one.
type push struct {
	user    int64
	except  int64 // perm key; 0: for all
	updates []byte
}

// resetFields are field numbers of message Updates, which move between
// releases.
type resetFields struct{ user, key protowire.Number }

func newPusher(cfg Config, schema *tl.Schema) (*pusher, error) {
	p := &pusher{
		online: cfg.Online,
		stream: cfg.Stream,
		log:    cfg.Logger,
		schema: schema,
		queue:  make(chan push, maxPushes),
		nodes:  map[string]*node{},
		ring:   hash.NewConsistentHash(),
	}
	for name, number := range map[string]*protowire.Number{"user_id": &p.fields.user, "auth_key_id": &p.fields.key} {
		n, ok := schema.FieldNumber("Updates", name)
		if !ok {
			return nil, fmt.Errorf("bff: release %s has no Updates.%s", schema.Name(), name)
		}
		*number = protowire.Number(n)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

func (p *pusher) start() { p.working.Go(p.route) }

// close drops what has not been sent.
func (p *pusher) close() {
	p.cancel()
	p.working.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		n.close()
	}
	p.nodes = nil
}

// pushUpdates sends u to the online keys of a user but one. It takes u over.
func (p *pusher) pushUpdates(ctx context.Context, user, except int64, u *tg.Updates) {
	var b bin.Buffer
	if err := u.Encode(&b); err != nil {
		p.log.Error("bff: encode updates", zap.Error(err))
		return
	}
	updates, _, err := p.schema.Decode(nil, p.schema.Message("Updates"), b.Buf)
	if err != nil {
		p.log.Error("bff: encode updates", zap.Error(err))
		return
	}
	p.enqueue(ctx, push{user: user, except: except, updates: updates})
}

// pushReset tells every online key of a user that one of them is no login any
// more (proto/PEERS.md, "session": Pushes).
func (p *pusher) pushReset(ctx context.Context, user, key int64) {
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.BytesType) // predicate_name
	b = protowire.AppendString(b, "updateAccountResetAuthorization")
	b = protowire.AppendTag(b, p.fields.user, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(user))
	b = protowire.AppendTag(b, p.fields.key, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(key))
	p.enqueue(ctx, push{user: user, updates: b})
}

// enqueue waits for room as long as the call may last: its client can still
// fetch the difference, so a push that finds none is only logged.
func (p *pusher) enqueue(ctx context.Context, u push) {
	select {
	case p.queue <- u:
	case <-ctx.Done():
		p.log.Warn("bff: push queue full", zap.Int64("user", u.user))
	}
}

// route finds out where pushes go.
func (p *pusher) route() {
	for {
		select {
		case <-p.ctx.Done():
			return
		case u := <-p.queue:
			entries, err := p.online(p.ctx, u.user)
			if err != nil {
				p.log.Warn("bff: who is online", zap.Int64("user", u.user), zap.Error(err))
				continue
			}
			for _, e := range entries {
				if key := e.GetAuthKeyId(); key != u.except {
					p.send(e.GetGateway(), &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: u.updates})
				}
			}
		}
	}
}

// send hands one push to the node at addr, or to the owner of the key.
func (p *pusher) send(addr string, u *session.TLSessionPushUpdatesData) {
	p.mu.Lock()
	n := p.nodes[addr]
	if n == nil {
		if owner, ok := p.ring.Get(strconv.FormatInt(u.GetPermAuthKeyId(), 10)); ok {
			n = p.nodes[owner.(string)] // the ring holds addresses
		}
	}
	p.mu.Unlock()
	if n == nil || !n.enqueue(u) {
		p.log.Warn("bff: push lost", zap.String("node", addr), zap.Int64("key", u.GetPermAuthKeyId()))
	}
}

// update learns the set of session nodes.
func (p *pusher) update(addrs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nodes == nil {
		return
	}
	for addr, n := range maps.All(p.nodes) {
		if !slices.Contains(addrs, addr) {
			n.close()
			delete(p.nodes, addr)
			p.ring.Remove(addr)
		}
	}
	for _, addr := range addrs {
		if p.nodes[addr] != nil {
			continue
		}
		n, err := newNode(addr, p.stream, p.log)
		if err != nil {
			p.log.Warn("bff: session node", zap.String("node", addr), zap.Error(err))
			continue
		}
		p.nodes[addr] = n
		p.ring.Add(addr)
	}
}
