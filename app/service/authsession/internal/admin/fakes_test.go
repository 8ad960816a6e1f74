package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

func (m *manager) Online(_ context.Context, within time.Duration) (int64, error) {
	return 7, m.ask([]any{"online", within})
}

func (m *manager) Overview(context.Context) (lifecycle.Overview, error) {
	at := time.Unix(1_700_000_000, 0)
	return lifecycle.Overview{
		SignIns:  []lifecycle.SignIns{{Minute: at, Count: 3}},
		CleanUps: []dao.CleanupRun{{EndedAt: at, Took: 1500 * time.Millisecond, Result: "done", Sessions: 4, Removed: 9, Node: "a"}},
	}, m.ask("overview")
}

func (m *manager) Count(_ context.Context, f sessions.Filter) (int, bool, error) {
	return 12, true, m.ask([]any{"count", f})
}

func (m *manager) RevokeMatching(_ context.Context, b sessions.Bulk, limit int, dryRun bool, token string, by sessions.By) (sessions.BulkRevoked, error) {
	err := m.ask([]any{"bulk", b, limit, dryRun, token})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by = append(m.by, by)
	switch {
	case token != "" && token != "next":
		return sessions.BulkRevoked{}, sessions.ErrBadToken
	case dryRun:
		return sessions.BulkRevoked{Matched: 2, Named: slices.Clone(m.list), Examined: 9}, err
	case err != nil:
		return sessions.BulkRevoked{Matched: 2, Ended: m.ended}, err
	}
	var ended []sessions.Revoked
	for _, s := range m.list {
		ended = append(ended, sessions.Revoked{Session: s})
	}
	m.pages--
	out := sessions.BulkRevoked{Matched: len(ended), Ended: ended, Examined: 9}
	if m.pages > 0 {
		out.Next = "next"
	}
	return out, nil
}

// eventBook is an events.Book in memory; it fails where the manager does.
type eventBook struct{ m *manager }

func (b eventBook) State(context.Context) (events.State, error) {
	return events.State{Enabled: true, Waiting: 5, Lag: 1500 * time.Millisecond}, b.m.ask("state")
}

func (b eventBook) Read(_ context.Context, token, kind string, userID int64, limit int) ([]events.Published, string, error) {
	if token == "forged" {
		return nil, "", events.ErrBadToken
	}
	at := time.Unix(1_700_000_000, 0)
	return []events.Published{{ID: "1", Type: "session.revoked", Body: `{"reason":"by-admin","session":{"hash":"2","user_id":"778"}}`, At: at}}, "later", b.m.ask([]any{"events", token, kind, userID, limit})
}

func (b eventBook) Hooks(context.Context) ([]events.HookState, error) {
	return []events.HookState{{Name: "billing", URL: "https://b.example/hook", Types: []string{"session.revoked"}, Behind: 1, Dead: 2, Retrying: 1}, {Name: "gone", Dead: 1, Removed: true}}, b.m.ask("hooks")
}

func (b eventBook) Configured(name string) bool { return name == "billing" }

func (b eventBook) Knows(_ context.Context, name string) (bool, error) {
	return name == "billing" || name == "gone", b.m.ask([]any{"knows", name})
}

func (b eventBook) Purge(_ context.Context, c events.Chosen, dryRun bool) (int, bool, error) {
	return 2, true, b.m.ask([]any{"purge", c, dryRun})
}

func (b eventBook) DeadLetters(_ context.Context, hook string, userID, before int64, limit int) ([]events.DeadLetter, error) {
	at := time.Unix(1_700_000_000, 0)
	all := []events.DeadLetter{
		{ID: 8, Webhook: hook, EventID: "b", Type: "session.revoked", UserID: 778, Attempts: 12, Error: "answered 500", DiedAt: at, Body: "{}"},
		{ID: 7, Webhook: hook, EventID: "a", Type: "session.created", UserID: 777, Attempts: 12, Error: "answered 500", DiedAt: at, Retrying: true, Body: "{}"},
	}
	all = slices.DeleteFunc(all, func(d events.DeadLetter) bool { return d.ID >= before })
	return all[:min(len(all), limit)], b.m.ask([]any{"dead", hook, userID, limit})
}

func (b eventBook) Retry(_ context.Context, r events.Chosen, dryRun bool) (int, bool, error) {
	return 2, false, b.m.ask([]any{"retry", r, dryRun})
}

// kept is an answer by its caller and key.
type kept struct {
	hash   [sha256.Size]byte
	answer []byte
}

func (r *rows) Claim(_ context.Context, caller, key string, request []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hash := sha256.Sum256(request)
	before, ok := r.answers[caller+"\n"+key]
	switch {
	case !ok:
		if r.answers == nil {
			r.answers = map[string]kept{}
		}
		r.answers[caller+"\n"+key] = kept{hash: hash}
		return nil, nil
	case before.hash != hash:
		return nil, audit.ErrKeyReused
	case before.answer == nil:
		return nil, audit.ErrUnderWay
	}
	return before.answer, nil
}

func (r *rows) Keep(_ context.Context, caller, key string, answer []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.answers[caller+"\n"+key]
	k.answer = answer
	r.answers[caller+"\n"+key] = k
	return nil
}

func (r *rows) Free(_ context.Context, caller, key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.answers, caller+"\n"+key)
	return nil
}

// failsAt has the n-th page from now on fail.
func (r *rows) failsAt(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failAt = n
}

func (r *rows) fails() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failAt--
	return r.failAt == 0
}

func (r *rows) Page(_ context.Context, f audit.Filter, before int64, limit int) (list []audit.Row, next int64, err error) {
	if err := r.m.ask([]any{"audit", f, limit}); err != nil {
		return nil, 0, err
	}
	if r.fails() {
		return nil, 0, errors.New("away")
	}
	all := r.all()
	for i := len(all) - 1; i >= 0 && len(list) < limit; i-- {
		if id := int64(i + 1); before == 0 || id < before {
			list = append(list, audit.Row{ID: id, At: time.Unix(1_700_000_000, 0), Entry: all[i]})
			next = id
		}
	}
	if len(list) < limit {
		next = 0
	}
	return list, next, nil
}

func (r *rows) Get(_ context.Context, id int64) (audit.Row, error) {
	all := r.all()
	if err := r.m.ask([]any{"row", id}); err != nil {
		return audit.Row{}, err
	}
	if id > int64(len(all)) {
		return audit.Row{}, audit.ErrNotFound
	}
	return audit.Row{ID: id, At: time.Unix(1_700_000_000, 0), Entry: all[id-1], Ended: []audit.Ended{{UserID: 777, Hash: 5}}}, nil
}
