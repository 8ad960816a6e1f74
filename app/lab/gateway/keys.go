package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	keyLife = 5 * time.Minute // how long a cached key is believed
	maxKeys = 1 << 16

	firstSaltLife = 1800 // seconds
)

// authKey is a key as the session service knows it.
type authKey struct {
	crypto.AuthKey
	kind keyex.KeyType
	perm int64 // 0: a temporary key that is bound to none
}

// keyCache holds the keys in use. What is bound to what is the session
// service's to say: nothing in a client's packet can tell it.
type keyCache struct {
	backend Backend
	now     func() time.Time

	mu   sync.Mutex
	keys map[int64]cachedKey
}

type cachedKey struct {
	key  *authKey
	read time.Time
}

func newKeyCache(b Backend, now func() time.Time) *keyCache {
	return &keyCache{backend: b, now: now, keys: map[int64]cachedKey{}}
}

// get returns a key, upstream.ErrUnknownKey when there is none. An unbound
// temporary key is asked for each time, because the client's previous packet
// may have bound it.
func (c *keyCache) get(ctx context.Context, id int64) (*authKey, error) {
	c.mu.Lock()
	cached, ok := c.keys[id]
	c.mu.Unlock()
	if ok && cached.key.perm != 0 && c.now().Sub(cached.read) < keyLife {
		return cached.key, nil
	}
	info, err := c.backend.QueryAuthKey(ctx, id)
	switch {
	case err == nil:
	case errors.Is(err, upstream.ErrUnknownKey):
		c.forget(id)
		return nil, err
	case ok:
		return cached.key, nil // better than to cut every client off
	default:
		return nil, err
	}
	key, err := fromInfo(id, info)
	if err != nil {
		return nil, err
	}
	c.put(id, key)
	return key, nil
}

func (c *keyCache) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
}

func (c *keyCache) put(id int64, key *authKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= maxKeys {
		clear(c.keys) // they are all one query away
	}
	c.keys[id] = cachedKey{key, c.now()}
}

func fromInfo(id int64, info *mtproto.AuthKeyInfo) (*authKey, error) {
	k := &authKey{kind: keyex.KeyType(info.GetAuthKeyType()), perm: info.GetPermAuthKeyId()}
	if len(info.GetAuthKey()) != len(k.Value) {
		return nil, errors.New("gateway: auth key of a wrong length")
	}
	copy(k.Value[:], info.GetAuthKey())
	k.ID = k.Value.ID()
	if k.IntID() != id {
		return nil, errors.New("gateway: auth key under another id")
	}
	return k, nil
}

// register hands a new key to the session service with its first salt, the
// way the stock gateway fills the request.
func (c *keyCache) register(ctx context.Context, k keyex.NewKey) error {
	id := k.Key.IntID()
	info := &mtproto.AuthKeyInfo{AuthKeyId: id, AuthKey: k.Key.Value[:], AuthKeyType: int32(k.Type)}
	switch k.Type {
	case keyex.Perm:
		info.PermAuthKeyId = id
	case keyex.Temp:
		info.TempAuthKeyId = id
	case keyex.MediaTemp:
		info.MediaTempAuthKeyId = id
	}
	now := int32(c.now().Unix())
	return c.backend.SetAuthKey(ctx, &session.TLSessionSetAuthKey{
		AuthKey:    info,
		FutureSalt: &mtproto.FutureSalt{PredicateName: "future_salt", ValidSince: now, ValidUntil: now + firstSaltLife, Salt: k.Salt},
		ExpiresIn:  int32(k.ExpiresIn / time.Second),
	})
}
