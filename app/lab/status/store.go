package status

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	statuspb "github.com/tgsession/tgsession/proto/status"
)

// Store keeps who is online. It is safe for concurrent use.
type Store interface {
	// Put adds or replaces the entry of its user and key; all entries of the
	// user are forgotten when none has been put for the time to live.
	Put(ctx context.Context, e *statuspb.SessionEntry, live time.Duration) error
	// Delete removes the entry of a key, if there is one.
	Delete(ctx context.Context, userID, authKeyID int64) error
	// List returns the entries of a user in no particular order.
	List(ctx context.Context, userID int64) ([]*statuspb.SessionEntry, error)
}

// Memory returns a store that is gone with the process. now tells the time.
func Memory(now func() time.Time) Store {
	return &memory{now: now, users: map[int64]*user{}}
}

type memory struct {
	now func() time.Time

	mu    sync.Mutex
	users map[int64]*user
}

type user struct {
	until   time.Time
	entries map[int64]*statuspb.SessionEntry
}

func (m *memory) Put(_ context.Context, e *statuspb.SessionEntry, live time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.live(e.GetUserId())
	if u == nil {
		u = &user{entries: map[int64]*statuspb.SessionEntry{}}
		m.users[e.GetUserId()] = u
	}
	u.entries[e.GetAuthKeyId()] = e
	u.until = m.now().Add(live)
	return nil
}

func (m *memory) Delete(_ context.Context, userID, authKeyID int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.live(userID); u != nil {
		delete(u.entries, authKeyID)
	}
	return nil
}

func (m *memory) List(_ context.Context, userID int64) ([]*statuspb.SessionEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.live(userID); u != nil {
		return slices.Collect(maps.Values(u.entries)), nil
	}
	return nil, nil
}

// live returns a user's entries unless their time is over. Lock held.
func (m *memory) live(id int64) *user {
	u := m.users[id]
	if u != nil && m.now().After(u.until) {
		delete(m.users, id)
		return nil
	}
	return u
}

// Redis returns a store in a Redis. The client stays the caller's.
func Redis(client redis.UniversalClient) Store { return redisStore{client} }

type redisStore struct{ redis.UniversalClient }

func hashOf(userID int64) string { return "user_online_keys#" + strconv.FormatInt(userID, 10) }

func (r redisStore) Put(ctx context.Context, e *statuspb.SessionEntry, live time.Duration) error {
	value, err := json.Marshal(e) // the members a stock service writes, by the same struct tags
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	key := hashOf(e.GetUserId())
	_, err = r.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, key, strconv.FormatInt(e.GetAuthKeyId(), 10), value)
		p.Expire(ctx, key, live)
		return nil
	})
	return err
}

func (r redisStore) Delete(ctx context.Context, userID, authKeyID int64) error {
	return r.HDel(ctx, hashOf(userID), strconv.FormatInt(authKeyID, 10)).Err()
}

func (r redisStore) List(ctx context.Context, userID int64) ([]*statuspb.SessionEntry, error) {
	all, err := r.HGetAll(ctx, hashOf(userID)).Result()
	if err != nil {
		return nil, err
	}
	out := make([]*statuspb.SessionEntry, 0, len(all))
	for field, value := range all {
		var e statuspb.SessionEntry
		if err := json.Unmarshal([]byte(value), &e); err != nil {
			return nil, fmt.Errorf("status: entry %s of user %d: %w", field, userID, err)
		}
		out = append(out, &e)
	}
	return out, nil
}
