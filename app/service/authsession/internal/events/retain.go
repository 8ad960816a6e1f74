package events

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	pruneEvery = time.Minute
	pruneMost  = 200 // batches at a time: new ones are published in between
)

// prune removes batches that were published Retain ago, and the oldest beyond about
// MaxLen events: the stream would not hold them. The last batch stays, for its
// number. Nodes may do it side by side. More: there may be others to remove.
func (r *relay) prune(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	last, err := lastBatch(ctx, r.db)
	if err != nil || last == 0 {
		return false, err
	}
	var newest, step int64 // on Galera ids go up by the number of nodes
	if err := r.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0), @@auto_increment_increment FROM session_events").Scan(&newest, &step); err != nil {
		return false, err
	}
	until := time.Now().Add(-r.conf.Retain).UnixMilli()
	for range pruneMost {
		var id, no, at int64
		err := r.db.QueryRowContext(ctx, "SELECT id, published_no, published_at FROM session_events WHERE published_no > 0 ORDER BY published_no LIMIT 1").Scan(&id, &no, &at)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (no >= last || at >= until && id > newest-step*r.conf.MaxLen) {
			return false, nil
		}
		if err == nil {
			_, err = r.db.ExecContext(ctx, "DELETE FROM session_events WHERE published_no = ?", no)
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
