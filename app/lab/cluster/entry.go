package cluster

import (
	"context"
	"sync"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/gateway"
	"github.com/tgsession/tgsession/proto/session"
)

// entryBackend is the session service as the gateway of EntryDC uses it. It
// remembers which keys were made there, for as long as the cluster runs.
type entryBackend struct {
	gateway.Backend

	mu   sync.Mutex
	keys map[int64]struct{}
}

// SetAuthKey implements gateway.Backend.
func (b *entryBackend) SetAuthKey(ctx context.Context, q *session.TLSessionSetAuthKey) error {
	b.mu.Lock()
	b.keys[q.GetAuthKey().GetAuthKeyId()] = struct{}{}
	b.mu.Unlock()
	return b.Backend.SetAuthKey(ctx, q)
}

func (b *entryBackend) has(authKeyID int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.keys[authKeyID]
	return ok
}

// startEntry starts the gateway of EntryDC, if there is one.
func (c *Cluster) startEntry(ctx context.Context, backend gateway.Backend) (e bff.Entry, err error) {
	if c.cfg.EntryDC == 0 {
		return e, nil
	}
	b := &entryBackend{Backend: backend, keys: map[int64]struct{}{}}
	if c.entry, err = c.startGateway(ctx, c.cfg.EntryDC, c.cfg.EntryListenOn, b); err != nil {
		return e, err
	}
	return bff.Entry{DC: c.cfg.EntryDC, Gateway: c.entry.Addr(), Has: b.has}, nil
}

// EntryAddr is where clients connect that begin at EntryDC; empty: nowhere.
func (c *Cluster) EntryAddr() string {
	if c.entry == nil {
		return ""
	}
	return c.entry.Addr()
}
