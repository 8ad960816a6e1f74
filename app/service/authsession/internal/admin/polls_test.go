package admin

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
)

// An overview that is looked at again and again is written down once an hour for each
// token, with how often that was; what fails, and what names a login, each time.
func TestPollsAreWrittenDownOnceAnHour(t *testing.T) {
	a := serve(t, false, manyCalls)
	now := time.Now()
	a.server.guard.polls = newPolls(func() time.Time { return now })
	alice, other := reader(t), admintest.Token(t, "alice", 2*time.Hour, token.Read)
	look := func(times int, path, bearer string) {
		t.Helper()
		for range times {
			code, text := a.must("GET", path, bearer, "")
			require.Equal(t, 200, code, text)
		}
	}
	wrote := func() (list []string) {
		t.Helper()
		for _, e := range a.rows.all() {
			list = append(list, e.Method+" "+e.Caller+" "+e.Request+" "+e.Code)
		}
		a.rows.rows = nil
		return list
	}
	look(5, "/v1/overview", alice)
	look(3, "/v1/statistics", alice)
	look(2, "/v1/whoami", alice)
	require.Equal(t, []string{"GetOverview alice {} OK", "GetStatistics alice {} OK", "WhoAmI alice {} OK"}, wrote())

	look(1, "/v1/overview", other)
	require.Equal(t, []string{"GetOverview alice {} OK"}, wrote(), "another token of the same person is another caller")

	now = now.Add(pollEvery - time.Second)
	look(6, "/v1/overview", alice)
	require.Empty(t, wrote())
	now = now.Add(time.Second)
	look(2, "/v1/overview", alice)
	require.Equal(t, []string{"GetOverview alice {} and 10 calls before OK"}, wrote())

	look(2, "/v1/sessions", alice)
	look(2, "/v1/events?after=oldest", alice)
	require.Len(t, wrote(), 4, "these name logins")

	a.sessions.err = fmt.Errorf("away")
	for range 2 {
		code, _ := a.must("GET", "/v1/overview", alice, "")
		require.Equal(t, 503, code)
		code, _ = a.must("GET", "/v1/overview", revoker(t), "")
		require.Equal(t, 403, code)
	}
	require.Len(t, wrote(), 4, "what is refused or fails is no poll")
}

// Callers beyond the bound cost no memory: what they do is written down.
func TestPollsAreBounded(t *testing.T) {
	now := time.Now()
	p := newPolls(func() time.Time { return now })
	who := func(n int) poll { return poll{caller: fmt.Sprint(n), method: "GetOverview"} }
	for n := range maxPolls {
		_, out := p.pass(who(n))
		require.False(t, out)
	}
	for range 2 {
		_, out := p.pass(who(maxPolls))
		require.False(t, out)
	}
	require.Len(t, p.seen, maxPolls)
	_, out := p.pass(who(1))
	require.True(t, out)
	now = now.Add(pollEvery)
	_, out = p.pass(who(maxPolls))
	require.False(t, out)
	require.Len(t, p.seen, 1, "those of an hour ago are forgotten")
}
