package events

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"
)

// ErrBadToken means that a token is not one that Read gave out.
var ErrBadToken = errors.New("not a place among the events")

// Book tells operators of the events of the table in db, and of what webhooks owe.
// Its methods may be called from any goroutine.
type Book struct {
	db   *sql.DB
	conf Options
}

// NewBook returns the book of the events in db; c names the webhooks.
func NewBook(db *sql.DB, c Options) *Book { return &Book{db: db, conf: c} }

// State is how far events are on their way to the stream.
type State struct {
	Enabled bool
	Waiting int           // that are not published
	AtLeast bool          // there are that many, or more
	Lag     time.Duration // age of the oldest of them
}

const (
	countMost  = 10_000 // what is counted
	readMost   = 1000   // rows of a statement
	readRounds = 5      // statements of a call
	maxRemoved = 20     // webhooks that are configured no more
)

// State looks how many events wait.
func (b *Book) State(ctx context.Context) (s State, err error) {
	s.Enabled = b.conf.Enabled()
	var oldest int64
	err = b.db.QueryRowContext(ctx, "SELECT created_at FROM session_events WHERE published_no = 0 ORDER BY id LIMIT 1").Scan(&oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("session events: %w", err)
	}
	s.Lag = max(0, time.Since(time.UnixMilli(oldest)))
	s.Waiting, s.AtLeast, err = b.count(ctx, "SELECT 1 FROM session_events WHERE published_no = 0", countMost)
	return s, err
}

// count counts the rows of a query, up to most, and reports whether there are more.
func (b *Book) count(ctx context.Context, query string, most int, args ...any) (n int, more bool, err error) {
	err = b.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ("+query+" LIMIT ?) AS counted", append(args, most+1)...).Scan(&n)
	if err != nil {
		return 0, false, fmt.Errorf("session events: %w", err)
	}
	return min(n, most), n > most, nil
}

// Published is an event as it was published.
type Published struct {
	ID, Type, Body string
	At             time.Time
}

// Oldest is a token for Read: from the oldest event that is kept.
const Oldest = "oldest"

// Read returns up to limit events in the order in which they were published, of one
// type and one user where those are named, after the place that a token names, and
// the token to go on with. No token is the end: what comes from now on. It looks at
// 5,000 events at most.
func (b *Book) Read(ctx context.Context, token, kind string, userID int64, limit int) (list []Published, next string, err error) {
	no, id, err := b.place(ctx, token)
	if err != nil {
		return nil, "", err
	}
	for range readRounds {
		n, err := b.page(ctx, no, id, func(e row, batch int64, at time.Time) bool {
			if len(list) == limit {
				return false
			}
			no, id = batch, e.ID
			if (kind == "" || e.Type == kind) && (userID == 0 || userOf(e) == userID) {
				list = append(list, Published{ID: e.EventID, Type: e.Type, Body: e.Body, At: at})
			}
			return true
		})
		if err != nil {
			return nil, "", err
		}
		if n < readMost || len(list) == limit {
			break
		}
	}
	return list, place(no, id), nil
}

// page gives take the next events after a place until it wants no more, and returns
// how many there were.
func (b *Book) page(ctx context.Context, no, id int64, take func(e row, batch int64, at time.Time) bool) (n int, err error) {
	rows, err := b.db.QueryContext(ctx, "SELECT id, event_id, type, body, created_at, published_no FROM session_events FORCE INDEX (idx_published)"+
		" WHERE published_no >= ? AND (published_no > ? OR id > ?) ORDER BY published_no, id LIMIT ?", no, no, id, readMost)
	if err != nil {
		return 0, fmt.Errorf("session events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e row
		var at, batch int64
		if err := rows.Scan(&e.ID, &e.EventID, &e.Type, &e.Body, &at, &batch); err != nil {
			return n, fmt.Errorf("session events: %w", err)
		}
		if n++; !take(e, batch, time.UnixMilli(at)) {
			return n, nil
		}
	}
	return n, rows.Err()
}

// place names a batch and the event in it that was read last.
func place(no, id int64) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(no))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(raw, uint64(id)))
}

func (b *Book) place(ctx context.Context, token string) (no, id int64, err error) {
	switch token {
	case "":
		no, err = lastBatch(ctx, b.db)
		return no, math.MaxInt64, err
	case Oldest:
		return 0, math.MaxInt64, nil // batch 0 are those that wait
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 16 {
		return 0, 0, ErrBadToken
	}
	no, id = int64(binary.BigEndian.Uint64(raw)), int64(binary.BigEndian.Uint64(raw[8:]))
	if no < 0 || id < 0 || no == 0 && id != math.MaxInt64 {
		return 0, 0, ErrBadToken
	}
	return no, id, nil
}

// HookState is what a webhook owes.
type HookState struct {
	Name        string
	URL         string // without its query, which may hold a secret
	Types       []string
	Behind      int64 // batches of events that it has not done with
	Dead        int   // events that were given up
	DeadAtLeast bool  // there are that many, or more
	Retrying    int   // of them, that are to be tried again; at most 1000 are counted
	Removed     bool  // it is not configured, and has dead letters
}

// Hooks are the configured webhooks, and those that are not and have dead letters.
func (b *Book) Hooks(ctx context.Context) (list []HookState, err error) {
	last, err := lastBatch(ctx, b.db)
	if err != nil {
		return nil, err
	}
	for _, w := range b.conf.Webhooks {
		s := HookState{Name: w.Name, URL: bare(w.URL), Types: w.Types}
		var done int64
		err := b.db.QueryRowContext(ctx, "SELECT published_no FROM session_webhooks WHERE name = ?", w.Name).Scan(&done)
		switch {
		case err == nil:
			s.Behind = max(0, last-done)
		case !errors.Is(err, sql.ErrNoRows): // it has not begun
			return nil, fmt.Errorf("webhook %s: %w", w.Name, err)
		}
		if err := b.countDead(ctx, &s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	removed, err := b.removed(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range removed {
		s := HookState{Name: name, Removed: true}
		if err := b.countDead(ctx, &s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (b *Book) countDead(ctx context.Context, s *HookState) (err error) {
	if s.Dead, s.DeadAtLeast, err = b.count(ctx, "SELECT 1 FROM session_webhook_dead WHERE name = ?", countMost, s.Name); err != nil {
		return err
	}
	s.Retrying, _, err = b.count(ctx, "SELECT 1 FROM session_webhook_dead WHERE name = ? AND retry = 1", deadBatch, s.Name)
	return err
}

// removed are the webhooks that have dead letters and are not configured; at most
// maxRemoved of them.
func (b *Book) removed(ctx context.Context) (names []string, err error) {
	rows, err := b.db.QueryContext(ctx, "SELECT DISTINCT name FROM session_webhook_dead ORDER BY name LIMIT ?", maxRemoved+len(b.conf.Webhooks))
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		if !b.Configured(name) && len(names) < maxRemoved {
			names = append(names, name)
		}
	}
	return names, rows.Err()
}

func bare(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	u.RawQuery, u.User = "", nil
	return u.String()
}

// Configured reports whether a webhook of that name is.
func (b *Book) Configured(webhook string) bool {
	return slices.ContainsFunc(b.conf.Webhooks, func(w Webhook) bool { return w.Name == webhook })
}

// Knows reports whether a webhook of that name is configured, or has dead letters.
func (b *Book) Knows(ctx context.Context, webhook string) (known bool, err error) {
	if b.Configured(webhook) {
		return true, nil
	}
	_, any, err := b.count(ctx, "SELECT 1 FROM session_webhook_dead WHERE name = ?", 0, webhook)
	return any, err
}
