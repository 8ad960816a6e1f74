// Package dao keeps keys, logins and devices. MySQL is the truth; Redis holds
// copies under the keys and in the forms of a stock install:
//
//	auth_keys2_<id>      a key                     cache, an hour
//	auth_data.2#<perm>   its device and its user   cache, an hour
//	salts_<id>           its salts                 kv, count × 1800 s (Salts.Life)
//	auth_keys_<id>       a key, from long ago      kv, read only
//
// Keys are encrypted in MySQL and in the cache, when keyseal has a key for it;
// a stock node reads neither then. What an old install left in Redis stays.
//
// Whatever fails in Redis is done without it: what Redis should have been told,
// MySQL remembers (package lease). What fails in MySQL is an error: never "not
// found", never "no user", never "done".
package dao

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// redisFailures are logged once a second: an outage makes one of every call.
var redisFailures = logx.NewLessLogger(1000)

// ErrNotFound means that there is no such key (any more).
var ErrNotFound = errors.New("no such auth key")

// ErrOnlyReads means that this node is led to a MySQL server that only reads (read_only), and
// that may lack what others have written since. Such a server can change nothing, and cannot
// say that something is not there: what needs either fails. Other calls are answered from it.
var ErrOnlyReads = errors.New("the MySQL server only reads (read_only)")

// refusal is an error that is an answer, not a fault.
type refusal string

func (r refusal) Error() string { return string(r) }

// Refusals of a bind.
const (
	ErrNotTemporary = refusal("the key to bind is not a temporary key")
	ErrNotPermanent = refusal("the key to bind to is not a permanent key")
	ErrAlreadyBound = refusal("the temp key is bound to another perm key")
	ErrUnknownKey   = refusal("one of the two keys is not known")
	ErrBadExpiry    = refusal("expires_at does not fit the temp key")
	// ErrKeyTaken: another key with the same id exists.
	ErrKeyTaken = refusal("the key id belongs to another key")
)

// Dao is the store. Its methods may be called from any goroutine.
type Dao struct {
	db    *sql.DB
	conn  sqlx.SqlConn
	cache *lease.Cache
	perms perms
	late  atomic.Pointer[func(perms []int64)]
	rings []*redisring.Ring
	kv    *redisring.Ring
	now   func() time.Time
	// hostNow is the clock of this host, which now is, too, but in tests.
	hostNow func() time.Time

	sealer    *keyseal.Sealer
	announces bool // there is a stream of events
	// announcesTouched: signs of life are events, too.
	announcesTouched bool

	saltWindow int64 // seconds that a salt made here lives
	rules      atomic.Pointer[logins.Rules]
	locate     Locator

	// Bounds of a sign-in (surplus.go); tests change them.
	looks, window, ends int
}

// Locator names the place of an address; empty when it is not known.
type Locator func(ip string) (country, region string)

// UseLocator makes the store keep the place of every address with it. It is
// called before the first use of the store, if at all.
func (d *Dao) UseLocator(l Locator) { d.locate = l }

// Widths of the columns of a place, in characters.
const (
	widthCountry = 128
	widthRegion  = 16
)

// place is where an address is, made to fit its columns.
func (d *Dao) place(ip string) (country, region string) {
	if d.locate == nil || ip == "" {
		return "", ""
	}
	country, region = d.locate(ip)
	return device.Text(country, widthCountry), device.Text(region, widthRegion)
}

// Options are what a store is made of.
type Options struct {
	Cache, KV redisconf.Nodes // keys and logins; salts
	Rules     logins.Rules    // for users without settings of their own
	// SaltWindow is how many seconds a salt made here lives.
	SaltWindow int64
	// Announces: the changes of logins are written as events, which a relay takes off their
	// table. AnnouncesTouched: so are signs of life.
	Announces, AnnouncesTouched bool

	Now    func() time.Time
	Sealer *keyseal.Sealer // says how bodies of keys are stored; nil: plain
}

// New opens the store on a database whose schema is up to date. An unreachable Redis is a
// warning. Close ends it, db included.
func New(ctx context.Context, db *sql.DB, o Options) *Dao {
	cacheRing, kv := redisring.New(o.Cache), redisring.New(o.KV)
	d := &Dao{
		db:    db,
		conn:  newConn(db),
		rings: []*redisring.Ring{cacheRing, kv},
		kv:    kv,
		now:   o.Now,

		hostNow: time.Now,

		sealer:    o.Sealer,
		announces: o.Announces,

		announcesTouched: o.Announces && o.AnnouncesTouched,

		saltWindow: o.SaltWindow,

		looks: surplusLooks, window: windowRows, ends: surplusEnds,
	}
	d.SetRules(o.Rules)
	d.cache = lease.New(cacheRing, d.Ledger(), d.releasedLate)
	for i, key := range []string{"Cache", "KV"} {
		if err := d.rings[i].Ping(ctx, key); err != nil {
			logx.Errorf("Redis cannot be used, going on from MySQL without it: config key %v", err)
		}
	}
	return d
}

// Close ends the store.
func (d *Dao) Close() error {
	d.cache.Close()
	errs := []error{d.db.Close()}
	for _, r := range d.rings {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// Now is the store's clock in Unix seconds.
func (d *Dao) Now() int64 { return d.now().Unix() }

const (
	keyCachePrefix  = "auth_keys2_"
	dataCachePrefix = "auth_data.2#"
)

func keyCacheKey(id int64) string  { return keyCachePrefix + strconv.FormatInt(id, 10) }
func dataCacheKey(id int64) string { return dataCachePrefix + strconv.FormatInt(id, 10) }

// idOf is the id in a cache key with the given prefix.
func idOf(cacheKey, prefix string) (id int64, ok bool) {
	text, ok := strings.CutPrefix(cacheKey, prefix)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil
}

// cacheKeys names the copies of several rows.
func cacheKeys(name func(int64) string, ids []int64) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = name(id)
	}
	return keys
}
func saltsKey(id int64) string  { return "salts_" + strconv.FormatInt(id, 10) }
func legacyKey(id int64) string { return "auth_keys_" + strconv.FormatInt(id, 10) }
