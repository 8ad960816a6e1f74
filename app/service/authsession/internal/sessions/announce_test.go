package sessions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/tl"
)

// heard is what clients have heard of logins, by key.
func (w *world) heard() map[int64][]testenv.Announced {
	w.t.Helper()
	schema, err := tl.Load(tl.Default)
	require.NoError(w.t, err)
	out := map[int64][]testenv.Announced{}
	for _, news := range w.told.News() {
		body, err := schema.Encode(nil, schema.Message("Updates"), news.Updates, 223)
		require.NoError(w.t, err)
		u, _ := testenv.ReadAnnounced(w.t, body)
		out[news.AuthKeyID] = append(out[news.AuthKeyID], u)
	}
	return out
}

// A login that waits to be confirmed is told of to the user's other devices, once,
// and again when it is confirmed.
func TestLoginsAreAnnounced(t *testing.T) {
	on := config.Sessions{TTLDays: 180, ConfirmWithin: 7 * days, AnnounceLogins: true}
	type keys map[string]int64
	for name, c := range map[string]struct {
		sessions config.Sessions
		limit    config.Concurrency
		play     func(w *world, k keys)
		want     []string // of the keys a, b, c, n: who hears that n has begun
	}{
		"beside two": {on, config.Concurrency{}, func(w *world, k keys) {
			w.bind(0, k["n"], 777)
		}, []string{"a", "b"}},
		"off": {config.Sessions{TTLDays: 180, ConfirmWithin: 7 * days}, config.Concurrency{}, func(w *world, k keys) {
			w.bind(0, k["n"], 777)
		}, nil},
		"of another user": {on, config.Concurrency{}, func(w *world, k keys) {
			w.bind(0, k["n"], 779)
		}, nil},
		"again": {on, config.Concurrency{}, func(w *world, k keys) {
			w.bind(0, k["n"], 777)
			w.bind(1, k["n"], 777)
		}, []string{"a", "b"}},
		"what has ended hears nothing": {on, config.Concurrency{Strategy: "limit", Limit: 2}, func(w *world, k keys) {
			w.bind(0, k["n"], 777)
		}, []string{"b"}},
		"the second factor is owed": {on, config.Concurrency{}, func(w *world, k keys) {
			w.pend(k["n"], true)
			w.bind(0, k["n"], 777)
		}, nil},
		"the second factor was owed": {on, config.Concurrency{}, func(w *world, k keys) {
			w.pend(k["n"], true)
			w.bind(0, k["n"], 777)
			require.Empty(w.t, w.told.News())
			w.pend(k["n"], false)
		}, []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(conf *config.Config) { conf.Sessions, conf.Concurrency = c.sessions, c.limit })
			k := keys{"a": w.device("phone"), "b": w.device("iphone"), "c": w.device("web"), "n": w.device("desktop")}
			w.bind(0, k["a"], 777)
			w.clock.Advance(time.Minute)
			w.bind(0, k["b"], 777)
			w.bind(0, k["c"], 778)
			w.clock.Advance(time.Minute)
			w.told.News()
			at := w.clock.Now().Unix()
			c.play(w, k)
			live, err := w.manager(0).FindByKey(t.Context(), k["n"])
			require.NoError(t, err)
			want := map[int64][]testenv.Announced{}
			for _, name := range c.want {
				u := testenv.Announced{Unconfirmed: true, Hash: live.Hash, Date: int(at), Device: "PC", Location: "2001:db8::7"}
				want[k[name]] = []testenv.Announced{u}
			}
			require.Equal(t, want, w.heard())
			if c.want == nil {
				return
			}
			require.NoError(t, w.manager(1).Change(t.Context(), 777, live.Hash, sessions.Settings{Confirmed: true}))
			for key := range want {
				want[key] = []testenv.Announced{{Hash: live.Hash}}
			}
			require.Equal(t, want, w.heard(), "nobody is asked any more")
		})
	}
}

func (w *world) pend(key int64, owed bool) {
	w.t.Helper()
	_, err := w.on(1).SetPasswordPending(&pb.SetPasswordPendingRequest{AuthKeyId: key, UserId: 777, Pending: owed})
	require.NoError(w.t, err)
}
