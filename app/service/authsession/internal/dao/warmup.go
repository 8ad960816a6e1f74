package dao

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// ErrWarming means that another node fills the cache at the moment.
var ErrWarming = errors.New("another node fills the cache")

const (
	warmupLock  = "authsession.warmup"
	warmupBound = 15 * time.Second // of one page, of one login
)

// Warmup reads copies of the logins active last into the cache, the latest first,
// with their perm and temp keys. One run at a time holds the database's warm-up
// lock. The lock saves work; a run that has lost it does no harm.
type Warmup struct {
	d     *Dao
	lock  *dblock.Lock
	since int64
	at    recentRow // the last one that was read
}

// Recent is a login that was active lately.
type Recent struct {
	perm int64
	keys []int64 // perm, and the temp keys that are bound to it
}

// recentRow is one as MySQL has it.
type recentRow struct {
	ID         int64 `db:"id"`
	DateActive int64 `db:"date_active"`
	Perm       int64 `db:"auth_key_id"`
	Temp       int64 `db:"temp_auth_key_id"`
	MediaTemp  int64 `db:"media_temp_auth_key_id"`
}

const selectRecent = "SELECT w.id, w.date_active, w.auth_key_id, COALESCE(i.temp_auth_key_id, 0) AS temp_auth_key_id," +
	" COALESCE(i.media_temp_auth_key_id, 0) AS media_temp_auth_key_id" +
	" FROM (SELECT u.id, u.date_active, u.auth_key_id FROM auth_users u FORCE INDEX (idx_deleted_active)" +
	" WHERE u.deleted = 0 AND u.date_active > ? AND u.date_active <= ? AND (u.date_active < ? OR u.id < ?)" +
	" ORDER BY u.date_active DESC, u.id DESC LIMIT ?) AS w" +
	" LEFT JOIN auth_key_infos i ON i.auth_key_id = w.auth_key_id" +
	" ORDER BY w.date_active DESC, w.id DESC"

// StartWarmup begins a run over the logins that were active within the time
// before now. ErrWarming: another node is at it. Close ends it.
func (d *Dao) StartWarmup(ctx context.Context, within time.Duration) (*Warmup, error) {
	lock, err := d.Lock(ctx, warmupLock)
	if errors.Is(err, dblock.ErrTaken) {
		return nil, ErrWarming
	}
	if err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	return &Warmup{
		d: d, lock: lock, since: d.Now() - int64(within/time.Second),
		at: recentRow{ID: math.MaxInt64, DateActive: math.MaxInt64},
	}, nil
}

// Close gives the lock back.
func (w *Warmup) Close() { w.lock.Release() }

// Next returns up to limit logins that it has not returned before. Fewer: there
// are no more. ErrWarming: another node has taken over.
func (w *Warmup) Next(ctx context.Context, limit int) (list []Recent, err error) {
	ctx, cancel := context.WithTimeout(ctx, warmupBound)
	defer cancel()
	if err := w.lock.Held(ctx); err != nil {
		if errors.Is(err, dblock.ErrTaken) {
			err = ErrWarming
		}
		return nil, err
	}
	var rows []recentRow
	if err := w.d.conn.QueryRowsCtx(ctx, &rows, selectRecent, w.since, w.at.DateActive, w.at.DateActive, w.at.ID, limit); err != nil {
		return nil, fmt.Errorf("logins active last: %w", err)
	}
	for _, r := range rows {
		w.at = r
		login := Recent{perm: r.Perm, keys: []int64{r.Perm}}
		for _, id := range []int64{r.Temp, r.MediaTemp} {
			if id != 0 {
				login.keys = append(login.keys, id)
			}
		}
		list = append(list, login)
	}
	return list, nil
}

// Fill stores what the cache lacks of a login and its keys. It returns how many
// values it has stored, and how many were there. An error tells that Redis or
// MySQL does not answer.
func (w *Warmup) Fill(ctx context.Context, r Recent) (stored, there int, err error) {
	ctx, cancel := context.WithTimeout(ctx, warmupBound)
	defer cancel()
	count := func(did lease.Prefetched, failed error) bool {
		switch {
		case failed != nil:
			err = fmt.Errorf("warm-up: %w", failed)
		case did == lease.Stored:
			stored++
		case did == lease.There:
			there++
		}
		return err == nil
	}
	for _, id := range r.keys {
		if !count(lease.Prefetch(ctx, w.d.cache, keyCacheKey(id), w.d.keyLoader(id))) {
			return stored, there, err
		}
	}
	count(lease.Prefetch(ctx, w.d.cache, dataCacheKey(r.perm), w.d.loginLoader(r.perm)))
	return stored, there, err
}
