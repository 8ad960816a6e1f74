package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// Types of keys.
const (
	Permanent      = 0
	Temporary      = 1
	MediaTemporary = 2
)

// Key is an auth key. Its JSON form is stock's, with ExpiresAt added.
type Key struct {
	PredicateName      string `json:"predicate_name,omitempty"`
	AuthKeyID          int64  `json:"auth_key_id,omitempty"`
	Body               []byte `json:"auth_key,omitempty"` // 256 bytes
	Type               int32  `json:"auth_key_type,omitempty"`
	PermAuthKeyID      int64  `json:"perm_auth_key_id,omitempty"`
	TempAuthKeyID      int64  `json:"temp_auth_key_id,omitempty"`
	MediaTempAuthKeyID int64  `json:"media_temp_auth_key_id,omitempty"`
	// ExpiresAt is when the key stops being one, in Unix seconds: a bound temp
	// key with its binding, an unbound one with its expires_in. 0: never.
	ExpiresAt int64 `json:"expires_at,omitempty"`
}

// keyRow is a key as MySQL has it.
type keyRow struct {
	ofServer
	Type      int32  `db:"auth_key_type"`
	Perm      int64  `db:"perm_auth_key_id"`
	Temp      int64  `db:"temp_auth_key_id"`
	MediaTemp int64  `db:"media_temp_auth_key_id"`
	Body      string `db:"body"`
	Expires   int64  `db:"expires_at"`
	Bound     int64  `db:"bound_until"`
}

// keyColumns and what follows them in a SELECT.
const keyColumns = "i.auth_key_type, i.perm_auth_key_id, i.temp_auth_key_id, i.media_temp_auth_key_id, k.body," +
	" COALESCE(l.expires_at, 0) AS expires_at, COALESCE(l.bound_until, 0) AS bound_until" +
	" FROM auth_key_infos i JOIN auth_keys k ON k.auth_key_id = i.auth_key_id" +
	" LEFT JOIN auth_key_lifetimes l ON l.auth_key_id = i.auth_key_id WHERE i.auth_key_id = ?"

// Key returns the key with the given id; ErrNotFound when there is none or its
// time is over. The key is shared: it must not be changed.
func (d *Dao) Key(ctx context.Context, id int64) (*Key, error) { return d.keyAfter(ctx, nil, id) }

func (d *Dao) keyAfter(ctx context.Context, r lease.Read, id int64) (*Key, error) {
	k, err := d.knownKey(ctx, r, id)
	if err != nil {
		return nil, err
	}
	if k == nil || d.isOver(k) {
		return nil, ErrNotFound
	}
	return k, nil
}

// isOver reports whether a key's time is over.
func (d *Dao) isOver(k *Key) bool { return k.ExpiresAt != 0 && k.ExpiresAt <= d.Now() }

// knownKey returns a key from the cache or MySQL; nil when there is none.
func (d *Dao) knownKey(ctx context.Context, r lease.Read, id int64) (*Key, error) {
	for range 2 {
		c, err := lease.LoadAfter(ctx, d.cache, r, "key", keyCacheKey(id), d.keyLoader(id))
		if err != nil || c == nil {
			return nil, err
		}
		if k := d.fromCache(c); k != nil {
			return k, nil
		}
		d.cache.Drop(ctx, keyCacheKey(id))
	}
	k, _, err := d.loadKey(ctx, id) // a node with other keys was faster
	return k, err
}

// keyLoader reads from MySQL what the cache is to have of a key.
func (d *Dao) keyLoader(id int64) lease.Loader[cachedKey] {
	return func(ctx context.Context) (*cachedKey, bool, error) {
		k, store, err := d.loadKey(ctx, id)
		return d.toCache(k), store, err
	}
}

// loadKey returns nil when there is no such key. Store: the cache may have it.
//
// A server that only reads has no last word on a temp key that is bound to nothing there, or
// whose time is over: the bind, or the longer life that comes with it, may be on the new
// primary. A client that is told so throws a key away that is good.
func (d *Dao) loadKey(ctx context.Context, id int64) (k *Key, store bool, err error) {
	var row keyRow
	store, err = readRow(ctx, d.conn, &row, keyColumns, id)
	if errors.Is(err, sql.ErrNoRows) {
		return d.adoptLegacyKey(ctx, id, store)
	}
	if err != nil {
		return nil, false, fmt.Errorf("auth key: %w", err)
	}
	body, err := d.sealer.Open(id, row.Body)
	if err != nil {
		return nil, false, fmt.Errorf("auth key %d: its body is %w", id, err)
	}
	k = &Key{
		PredicateName: "authKeyInfo", AuthKeyID: id, Body: body, Type: row.Type,
		PermAuthKeyID: row.Perm, TempAuthKeyID: row.Temp, MediaTempAuthKeyID: row.MediaTemp,
	}
	if row.Type != Permanent {
		k.ExpiresAt = row.Expires
		if row.Bound != 0 {
			k.ExpiresAt = row.Bound
		}
	}
	if !store && (k.Type != Permanent && k.PermAuthKeyID == 0 || d.isOver(k)) {
		return nil, false, fmt.Errorf("auth key: %w", ErrOnlyReads)
	}
	return k, store, nil
}

// errRemoved means that a key was removed while it was being moved to MySQL.
var errRemoved = errors.New("the key was removed meanwhile")

// adoptLegacyKey looks for a key that an old install left in Redis and moves
// it to MySQL, so that it is found there from then on. When Redis does not
// answer, that is an error: "not found" would log the client out. Store is what
// the look into MySQL, which has no such key, said of itself.
func (d *Dao) adoptLegacyKey(ctx context.Context, id int64, store bool) (*Key, bool, error) {
	fields, err := d.kv.Hash(ctx, legacyKey(id))
	if err != nil {
		return nil, false, fmt.Errorf("legacy auth key: %w", err)
	}
	if len(fields) == 0 || len(fields["auth_key"]) != 256 {
		return nil, store, nil
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	k := &Key{
		PredicateName: "authKeyInfo", AuthKeyID: id, Body: []byte(fields["auth_key"]), Type: int32(number("auth_key_type")),
		PermAuthKeyID: number("perm_auth_key_id"), TempAuthKeyID: number("temp_auth_key_id"), MediaTempAuthKeyID: number("media_temp_auth_key_id"),
	}
	err = d.transact(ctx, func(ctx context.Context, tx sqlx.Session) error {
		if err := d.insertKey(ctx, tx, k, 0); err != nil {
			return err
		}
		// Whoever removes the key removes it from Redis first, and then the row, for which
		// it waits now: either this look finds nothing, or the row goes.
		left, err := d.kv.Hash(ctx, legacyKey(id))
		if err == nil && len(left) == 0 {
			return errRemoved
		}
		return err
	})
	switch {
	case errors.Is(err, errRemoved):
		return d.loadKey(ctx, id)
	case err != nil && !errors.Is(err, ErrKeyTaken):
		return nil, false, fmt.Errorf("legacy auth key: %w", err)
	}
	return k, true, nil
}

// CreateKey stores a new key. expiresIn, in seconds, is a temp key's life; 0
// is no bound. Storing the same key again succeeds and changes nothing;
// another body under the same id is ErrKeyTaken.
func (d *Dao) CreateKey(ctx context.Context, k Key, expiresIn int32) error {
	expiresAt := int64(0)
	if k.Type != Permanent && expiresIn > 0 {
		expiresAt = d.Now() + int64(expiresIn)
	}
	return d.amend(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.Invalidate(ctx, keyCacheKey(k.AuthKeyID)); err != nil { // it may be known as unknown
			return err
		}
		return d.insertKey(ctx, tx, &k, expiresAt)
	})
}

func (d *Dao) insertKey(ctx context.Context, tx sqlx.Session, k *Key, expiresAt int64) error {
	_, err := tx.ExecCtx(ctx, "INSERT INTO auth_keys(auth_key_id, body) VALUES (?, ?) ON DUPLICATE KEY UPDATE auth_key_id = VALUES(auth_key_id)",
		k.AuthKeyID, secret(d.sealer.Seal(k.AuthKeyID, k.Body)))
	if err != nil {
		return err
	}
	stored := bodyRow{ID: k.AuthKeyID}
	if err := tx.QueryRowCtx(ctx, &stored.Body, "SELECT body FROM auth_keys WHERE auth_key_id = ? FOR UPDATE", k.AuthKeyID); err != nil {
		return err
	}
	same, err := d.sameBody(ctx, tx, stored, k.Body)
	if err != nil {
		return err
	}
	if !same {
		return ErrKeyTaken
	}
	_, err = tx.ExecCtx(ctx, "INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id, media_temp_auth_key_id)"+
		" VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE auth_key_id = VALUES(auth_key_id)",
		k.AuthKeyID, k.Type, k.PermAuthKeyID, k.TempAuthKeyID, k.MediaTempAuthKeyID)
	if err != nil || expiresAt == 0 {
		return err
	}
	_, err = tx.ExecCtx(ctx, "INSERT INTO auth_key_lifetimes(auth_key_id, expires_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE auth_key_id = VALUES(auth_key_id)",
		k.AuthKeyID, expiresAt)
	return err
}
