package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// receiver is who the webhook calls.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	secret string

	mu    sync.Mutex
	got   []string // "user/hash" of what was taken, in order
	ids   []string
	tries int
	users map[int64]bool // of whom something came, taken or not
	fail  func(user int64) bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, secret: strings.Repeat("0123456789abcdef", 2), users: map[int64]bool{}, fail: func(int64) bool { return false }}
	r.server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	h := request.Header
	at, parseErr := strconv.ParseInt(h.Get("X-Event-Timestamp"), 10, 64)
	if err != nil || parseErr != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute ||
		h.Get("X-Event-Signature") != "v1="+signature([]byte(r.secret), h.Get("X-Event-Timestamp"), string(body)) {
		r.t.Errorf("a delivery that is not signed as it should be: %v", h)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || e.ID != h.Get("X-Event-Id") {
		r.t.Errorf("%s: %v", body, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	r.users[e.Session.UserID] = true
	if r.fail(e.Session.UserID) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.got = append(r.got, fmt.Sprintf("%d/%d", e.Session.UserID, e.Session.Hash))
	r.ids = append(r.ids, e.ID)
}

func (r *receiver) failing(f func(user int64) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

func (r *receiver) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) attempts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

// seen is of how many users something came.
func (r *receiver) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.users)
}

func (r *receiver) hook() Webhook {
	file := filepath.Join(r.t.TempDir(), "secret")
	require.NoError(r.t, os.WriteFile(file, []byte(r.secret+"\n"), 0o600))
	return Webhook{
		Name: "test", URL: r.server.URL, SecretFile: file,
		Secret:  func() ([]byte, error) { content, err := os.ReadFile(file); return bytes.TrimSpace(content), err },
		Timeout: 5 * time.Second, Attempts: 1000,
		Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Parallel: 4, Queue: 100,
	}
}

// tell commits and publishes an event of each user, in order.
func (b *bench) tell(hash int, users ...int64) {
	b.t.Helper()
	for _, user := range users {
		e := event(hash)
		e.Session.UserID = user
		require.NoError(b.t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, e) }))
	}
	require.NoError(b.t, b.idle().drain(b.t.Context()))
}

// everybody is known.
func everybody(context.Context, sqlx.Session, int64) (bool, error) { return true, nil }

// hooks starts a node's, and returns when its place is known.
func (b *bench) hooks(w Webhook) *worker.Worker {
	b.t.Helper()
	h := StartHooks(b.db, everybody, Options{Poll: 5 * time.Millisecond, Webhooks: []Webhook{w}})[0]
	b.t.Cleanup(func() { <-h.Stop() })
	require.Eventually(b.t, func() bool { return b.place() >= 0 }, time.Minute, 5*time.Millisecond)
	return h
}

func (b *bench) place() (no int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow("SELECT COALESCE(MAX(published_no), -1) FROM session_webhooks").Scan(&no))
	return no
}

func of(user int64, list []string) (out []string) {
	for _, s := range list {
		if strings.HasPrefix(s, fmt.Sprint(user, "/")) {
			out = append(out, s)
		}
	}
	return out
}

// Events are signed, and those of a user come in order, one after the other, while
// others go on beside one whose deliveries fail.
func TestAWebhookKeepsTheOrderOfAUser(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	b.tell(0, 1)
	b.hooks(r.hook())
	r.failing(func(user int64) bool { return user == 1 })
	for i := 1; i <= 10; i++ {
		b.tell(i, 1, 2)
	}
	require.Eventually(t, func() bool { return len(of(2, r.taken())) == 10 }, time.Minute, 5*time.Millisecond)
	require.Empty(t, of(1, r.taken()))
	place := b.place()
	r.failing(func(int64) bool { return false })
	require.Eventually(t, func() bool { return len(r.taken()) == 20 && b.place() > place }, time.Minute, 5*time.Millisecond)
	for user := range int64(2) {
		for i, got := range of(user+1, r.taken()) {
			require.Equal(t, fmt.Sprintf("%d/%d", user+1, i+1), got)
		}
	}
}

// An event that nobody takes is given up, and the next ones of its user come.
func TestAWebhookGivesUp(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	w := r.hook()
	w.Attempts = 3
	b.hooks(w)
	r.failing(func(int64) bool { return true })
	b.tell(1, 1)
	require.Eventually(t, func() bool { return b.place() == 1 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, 3, r.attempts())
	r.failing(func(int64) bool { return false })
	b.tell(2, 1)
	require.Eventually(t, func() bool { return b.place() == 2 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, []string{"1/2"}, r.taken())
}

// One node delivers at a time; the next one goes on where it stopped, and what was
// not done with comes again with the same id.
func TestAWebhookGoesOnOnAnotherNode(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	one := b.hooks(r.hook())
	other := b.hooks(r.hook())
	for i := range 20 {
		b.tell(i, 1)
	}
	require.Eventually(t, func() bool { return len(r.taken()) == 20 }, time.Minute, 5*time.Millisecond)
	require.Eventually(t, func() bool { return b.place() == 20 }, time.Minute, 5*time.Millisecond)
	<-one.Stop()
	<-other.Stop()
	b.tell(20, 1)
	b.hooks(r.hook())
	require.Eventually(t, func() bool { return len(r.taken()) == 21 }, time.Minute, 5*time.Millisecond)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(r.ids))), 21, "each once, by ids")
}

// Only so many events wait in memory, and only types that were asked for.
func TestAWebhookIsBounded(t *testing.T) {
	q := newQueue(5)
	q.add(6, []row{{EventID: "a", Body: `{"session":{"user_id":"1"}}`}, {EventID: "b", Body: `{"session":{"user_id":"1"}}`}, {EventID: "c", Body: `{"session":{"user_id":"2"}}`}})
	q.add(7, nil)
	now := time.Now()
	first, second := q.take(now), q.take(now)
	require.Nil(t, q.take(now), "one of a user at a time")
	require.NotEqual(t, first.user, second.user)
	require.EqualValues(t, 5, q.finished())
	q.done(first)
	q.done(second)
	require.EqualValues(t, 5, q.finished())
	last := q.take(now)
	require.Equal(t, "b", last.event.EventID)
	q.again(last, now.Add(time.Hour))
	require.Nil(t, q.take(now))
	q.done(q.take(now.Add(2 * time.Hour)))
	require.EqualValues(t, 7, q.finished())
	require.Zero(t, q.size)
	require.Empty(t, q.lines)

	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	w := r.hook()
	w.Queue, w.Types = 3, []string{Changed}
	b.hooks(w)
	r.failing(func(int64) bool { return true })
	other := event(99)
	other.Type = Revoked
	require.NoError(t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, other) }))
	require.NoError(t, b.idle().drain(t.Context()))
	for i := range 10 {
		b.tell(i, int64(i))
	}
	before := r.attempts()
	require.Eventually(t, func() bool { return r.seen() >= 3 && r.attempts() > before+30 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, 3, r.seen(), "the others wait in MySQL")
	r.failing(func(int64) bool { return false })
	require.Eventually(t, func() bool { return b.place() == 11 }, time.Minute, 5*time.Millisecond)
	require.Len(t, r.taken(), 10, "all but that of another type")
	require.NotContains(t, r.taken(), "777/99")

	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 50: time.Minute} {
		require.InDelta(t, want, worker.Backoff(time.Second, time.Minute, failures-1, 20), float64(want)/5+1)
	}
}

// What is given up is kept as a dead letter, once; an operator has it delivered again,
// as often as it takes, and then it is gone.
func TestDeadLettersAreDeliveredAgain(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	w := r.hook()
	w.Attempts, w.URL = 3, w.URL+"/?secret=1"
	b.hooks(w)
	book := NewBook(b.db, Options{Stream: "s", Webhooks: []Webhook{w}})
	r.failing(func(user int64) bool { return user != 3 })
	b.tell(1, 1)
	b.tell(2, 1, 2, 3)
	dead := func() []DeadLetter {
		list, err := book.DeadLetters(t.Context(), "test", 0, 1<<62, 100)
		require.NoError(t, err)
		return list
	}
	require.Eventually(t, func() bool { return len(dead()) == 3 && b.place() > 0 }, 20*time.Second, 5*time.Millisecond)
	list, err := book.DeadLetters(t.Context(), "test", 1, 1<<62, 100)
	require.NoError(t, err)
	require.Len(t, list, 2)
	first := list[1]
	require.Equal(t, []any{"test", int64(1), 3, "answered 503", false}, []any{first.Webhook, first.UserID, first.Attempts, first.Error, first.Retrying})
	require.Contains(t, first.Body, first.EventID)
	hooks, err := book.Hooks(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{3, 0, r.server.URL + "/"}, []any{hooks[0].Dead, hooks[0].Retrying, hooks[0].URL})

	retry := func(again Chosen, dry bool) int {
		again.Webhook = "test"
		n, more, err := book.Retry(t.Context(), again, dry)
		require.NoError(t, err)
		require.False(t, more)
		return n
	}
	require.Equal(t, 3, retry(Chosen{}, true))
	require.Equal(t, 2, retry(Chosen{UserID: 1}, true))
	tries := r.attempts()
	require.Equal(t, 1, retry(Chosen{IDs: []int64{first.ID, 99}}, false))
	require.Eventually(t, func() bool { // still refused: it is dead again
		list := dead()
		return r.attempts() >= tries+3 && !list[len(list)-1].Retrying && list[len(list)-1].Attempts == 6
	}, 20*time.Second, 5*time.Millisecond)
	require.Len(t, dead(), 3)

	r.failing(func(int64) bool { return false })
	require.Equal(t, 3, retry(Chosen{}, false))
	require.Eventually(t, func() bool { return len(dead()) == 0 }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, []string{"1/1", "1/2"}, of(1, r.taken()), "those of a user in their order")
	require.Equal(t, []string{"2/2"}, of(2, r.taken()))
	require.Equal(t, []string{"3/2"}, of(3, r.taken()), "once")
}

// Dead letters of a webhook that is taken out of the configuration are seen, can be
// removed, and go by their age, also where no webhook is left.
func TestDeadLettersOutliveTheirWebhook(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	w := r.hook()
	w.Attempts = 1
	h := b.hooks(w)
	r.failing(func(int64) bool { return true })
	b.tell(1, 1, 1, 2, 3)
	book := NewBook(b.db, Options{Stream: "s"}) // of a node without webhooks
	hooks := func() []HookState {
		list, err := book.Hooks(t.Context())
		require.NoError(t, err)
		return list
	}
	require.Eventually(t, func() bool { list := hooks(); return len(list) == 1 && list[0].Dead == 4 }, 20*time.Second, 5*time.Millisecond)
	<-h.Stop()
	require.Equal(t, []HookState{{Name: "test", Dead: 4, Removed: true}}, hooks())
	for name, want := range map[string]bool{"test": true, "other": false} {
		known, err := book.Knows(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, want, known, name)
		require.False(t, book.Configured(name))
	}
	list, err := book.DeadLetters(t.Context(), "test", 2, 1<<62, 100)
	require.NoError(t, err)
	require.Len(t, list, 1)
	purge := func(c Chosen, dry bool) int {
		c.Webhook = "test"
		n, more, err := book.Purge(t.Context(), c, dry)
		require.NoError(t, err)
		require.False(t, more)
		return n
	}
	require.Equal(t, 2, purge(Chosen{UserID: 1}, true))
	require.Equal(t, 4, hooks()[0].Dead, "a dry run removes nothing")
	require.Equal(t, 2, purge(Chosen{UserID: 1}, false))
	require.Equal(t, 1, purge(Chosen{IDs: []int64{list[0].ID, list[0].ID + 99}}, false))

	_, err = b.db.Exec("UPDATE session_webhook_dead SET died_at = ?", time.Now().Add(-deadKeep-time.Minute).UnixMilli())
	require.NoError(t, err)
	require.NoError(t, ForgetDead(t.Context(), b.db, time.Now().Add(-deadKeep-2*time.Minute)))
	require.Len(t, hooks(), 1)
	require.NoError(t, ForgetDead(t.Context(), b.db, time.Now().Add(-deadKeep)))
	require.Empty(t, hooks())
	k := StartKeeper(b.db)
	<-k.Stop()
}

// The query of a webhook's URL often is what lets the receiver know us: where it cannot be
// reached, the error that operators and logs see does not show it.
func TestErrorsDoNotShowTheURLOfAWebhook(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	w := r.hook()
	w.Attempts, w.URL = 1, w.URL+"/?key=hunter2"
	r.server.Close()
	s, err := newSender(w)
	require.NoError(t, err)
	err = s.post(t.Context(), row{})
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotContains(t, err.Error(), "hunter2")

	b.hooks(w)
	b.tell(1, 1)
	book := NewBook(b.db, Options{Stream: "s", Webhooks: []Webhook{w}})
	var list []DeadLetter
	require.Eventually(t, func() bool {
		list, err = book.DeadLetters(t.Context(), "test", 0, 1<<62, 100)
		return err == nil && len(list) == 1
	}, time.Minute, 5*time.Millisecond)
	require.Contains(t, list[0].Error, "connection refused")
	require.NotContains(t, list[0].Error, "hunter2")
}

// Events are read as they were published, from now on or from the oldest, and no
// place is taken that was not given out.
func TestEventsAreRead(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	book := NewBook(b.db, Options{Stream: "s"})
	_, now, err := book.Read(t.Context(), "", "", 0, 100)
	require.NoError(t, err)
	b.tell(1, 1, 2)
	require.NoError(t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, event(9)) })) // waits
	b.tell(2, 1)
	read := func(token, kind string, user int64, limit int) (n int, next string) {
		list, next, err := book.Read(t.Context(), token, kind, user, limit)
		require.NoError(t, err)
		return len(list), next
	}
	all, end := read(Oldest, "", 0, 100)
	require.Equal(t, 4, all)
	since, _ := read(now, "", 0, 100)
	require.Equal(t, 4, since)
	n, next := read(now, "", 0, 3)
	require.Equal(t, 3, n)
	n, _ = read(next, "", 0, 3)
	require.Equal(t, 1, n)
	n, _ = read(Oldest, "", 1, 100)
	require.Equal(t, 2, n)
	n, _ = read(Oldest, "session.none", 0, 100)
	require.Zero(t, n)
	n, again := read(end, "", 0, 100)
	require.Equal(t, []any{0, end}, []any{n, again})
	for _, bad := range []string{"x", "AAAA", place(0, 5), place(-1, 1)} {
		_, _, err := book.Read(t.Context(), bad, "", 0, 1)
		require.ErrorIs(t, err, ErrBadToken)
	}
	require.NoError(t, b.transact(func(ctx context.Context, tx sqlx.Session) error { return Append(ctx, tx, event(10)) }))
	state, err := book.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{true, 1, false}, []any{state.Enabled, state.Waiting, state.AtLeast})
}
