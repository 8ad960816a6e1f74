package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

func ended(n int) []sessions.Revoked {
	list := make([]sessions.Revoked, n)
	for i := range list {
		list[i].UserID, list[i].Hash = 777, int64(i+1)
	}
	return list
}

// loggedEnds are the logins that the audit log names, by the method of their
// call.
func (a *api) loggedEnds() map[string][]audit.Ended {
	a.t.Helper()
	found, err := a.db.Query("SELECT l.method, s.user_id, s.hash FROM auth_admin_log_sessions s JOIN auth_admin_logs l ON l.id = s.log_id ORDER BY s.id")
	require.NoError(a.t, err)
	defer found.Close()
	all := map[string][]audit.Ended{}
	for found.Next() {
		var method string
		var e audit.Ended
		require.NoError(a.t, found.Scan(&method, &e.UserID, &e.Hash))
		all[method] = append(all[method], e)
	}
	require.NoError(a.t, found.Err())
	return all
}

// A change that fails half-way says what it did until then, to its caller and in
// the audit log: it said that nothing had happened.
func TestWhatAFailedChangeDidIsTold(t *testing.T) {
	a := serve(t, true, plainTokens)
	a.sessions.err, a.sessions.ended = errors.New("away"), ended(700)
	body := func(code int, text string) (ends []audit.Ended) {
		t.Helper()
		require.Equal(t, 503, code, text)
		var out struct {
			Error struct{ Code string }
			Ended []struct {
				UserID int64 `json:"user_id,string"`
				Hash   int64 `json:"hash,string"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &out), text)
		require.Equal(t, "UNAVAILABLE", out.Error.Code)
		for _, e := range out.Ended {
			ends = append(ends, audit.Ended(e))
		}
		return ends
	}
	want := make([]audit.Ended, 700)
	for i := range want {
		want[i] = audit.Ended{UserID: 777, Hash: int64(i + 1)}
	}
	require.Equal(t, want, body(a.must("DELETE", "/v1/users/777/sessions", revoker(t), "")))
	require.Equal(t, want, body(a.must("POST", "/v1/sessions:cleanup", revoker(t), `{"older_than":"7200s"}`)))
	require.Equal(t, map[string][]audit.Ended{"RevokeSessions": want, "CleanUp": want}, a.loggedEnds())
	for _, e := range a.written() {
		require.Equal(t, []any{"UNAVAILABLE", 700}, []any{e.Code, e.Affected})
	}

	ctx, client := a.client(revoker(t))
	partial := func(err error) *pb.Partial {
		t.Helper()
		require.Equal(t, codes.Unavailable, status.Code(err))
		for _, d := range status.Convert(err).Details() {
			if p, ok := d.(*pb.Partial); ok {
				return p
			}
		}
		t.Fatal("no details")
		return nil
	}
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := client.RevokeSessions(ctx, &pb.RevokeSessionsRequest{UserId: 777})
			return err
		},
		func(ctx context.Context) error {
			_, err := client.CleanUp(ctx, &pb.CleanUpRequest{OlderThan: durationpb.New(2 * time.Hour)})
			return err
		},
	} {
		p := partial(call(ctx))
		require.EqualValues(t, 700, p.GetCount())
		require.Len(t, p.GetEnded(), maxNamed)
		require.Equal(t, []int64{777, 1}, []int64{p.GetEnded()[0].GetUserId(), p.GetEnded()[0].GetHash()})
	}
	a.sessions.ended = nil
	_, err := client.RevokeSessions(ctx, &pb.RevokeSessionsRequest{UserId: 777})
	require.Empty(t, status.Convert(err).Details(), "nothing was ended")
}

// What succeeds names each login, too; a dry run ended none.
func TestTheAuditLogNamesEachLogin(t *testing.T) {
	a := serve(t, true, plainTokens)
	a.sessions.ended = ended(3)
	a.must("POST", "/v1/sessions:cleanup", revoker(t), `{"older_than":"7200s","dry_run":true}`)
	code, text := a.must("DELETE", "/v1/users/777/sessions?dry_run=true", revoker(t), "")
	require.Equal(t, 200, code)
	require.Equal(t, `{"hashes":["4611686018427387905"],"ended":[{"user_id":"777","hash":"4611686018427387905"}]}`, text)
	require.Empty(t, a.loggedEnds())
	a.must("POST", "/v1/sessions:cleanup", revoker(t), `{"older_than":"7200s"}`)
	a.must("DELETE", "/v1/sessions/4611686018427387905?reason=ticket%205", revoker(t), "")
	one := func(hash int64) audit.Ended { return audit.Ended{UserID: 777, Hash: hash} }
	require.Equal(t, map[string][]audit.Ended{"CleanUp": {one(1), one(2), one(3)}, "RevokeSession": {one(1<<62 + 1)}}, a.loggedEnds())
	last := a.written()[3]
	require.EqualValues(t, 777, last.UserID)
	require.Equal(t, `{"hash":"4611686018427387905","reason":"ticket 5"}`, last.Request)
	_, err := a.db.Exec("UPDATE auth_admin_logs SET created_at = 1")
	require.NoError(t, err)
	require.NoError(t, (&keeper{rows: audit.New(a.db, time.Now), keep: time.Hour, brief: time.Hour}).prune(t.Context()))
	require.Empty(t, a.written())
	left := 0
	require.NoError(t, a.db.QueryRow("SELECT COUNT(*) FROM auth_admin_log_sessions").Scan(&left))
	require.Zero(t, left, "they go with their row")
}

// More logins than the caller expects are left alone, and the caller is told.
func TestMoreThanExpectedIsNotRevoked(t *testing.T) {
	a := serve(t, false, plainTokens)
	selection := sessions.Selection{UserID: 777, AtMost: 1}
	a.sessions.err = &sessions.TooManyError{Count: 2, AtMost: 1}
	for _, query := range []string{"?at_most=1", "?at_most=1&dry_run=true"} {
		code, text := a.must("DELETE", "/v1/users/777/sessions"+query, revoker(t), "")
		require.Equal(t, 412, code)
		require.Contains(t, text, "2 sessions would end, more than at_most, which is 1; none was ended")
	}
	code, stdout, stderr := a.ctl(both(t), "revoke", "--user", "777")
	require.Equal(t, 2, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "none was ended: end them with --yes")
	require.Equal(t, []any{selection, []any{"selected", selection}, selection}, a.sessions.calls())
}

// One clean-up runs at a time.
func TestABusyCleanUpIsAConflict(t *testing.T) {
	a := serve(t, false, plainTokens)
	a.sessions.busy = true
	code, text := a.must("POST", "/v1/sessions:cleanup", revoker(t), `{"older_than":"7200s"}`)
	require.Equal(t, 409, code)
	require.Contains(t, text, `"code":"ABORTED"`)
}

// A type or strategy that there is not is an error that lists those there are.
// It was an empty list, which looked like success.
func TestUnknownNamesAreRefused(t *testing.T) {
	a := serve(t, false, plainTokens)
	for _, path := range []string{"GET /v1/sessions?device_type=androd", "DELETE /v1/users/777/sessions?device_type=androd"} {
		var verb, at string
		_, err := fmt.Sscan(path, &verb, &at)
		require.NoError(t, err)
		code, text := a.must(verb, at, both(t), "")
		require.Equal(t, 400, code)
		require.Contains(t, text, `there is no type \"androd\"; there are android, ios, desktop, web, bot, other`)
	}
	code, text := a.must("PATCH", "/v1/users/777/policy", both(t), `{"strategy":"on"}`)
	require.Equal(t, 400, code)
	require.Contains(t, text, "there are none, limit, limit-per-device-type, one-per-device-type and one")
	require.Empty(t, a.sessions.calls())
}

// A change of one setting leaves the others.
func TestAPolicyIsChangedInParts(t *testing.T) {
	a := serve(t, false, plainTokens)
	a.sessions.policy = logins.Policy{TTLDays: 365, Strategy: logins.Unlimited, Limit: 4}
	code, text := a.must("PATCH", "/v1/users/777/policy", both(t), `{"strategy":"one"}`)
	require.Equal(t, 200, code)
	require.Equal(t, `{"ttl_days":365,"strategy":"one","limit":4}`, text)
	code, text = a.must("PATCH", "/v1/users/777/policy", both(t), `{"ttl_days":0,"strategy":""}`)
	require.Equal(t, 200, code)
	require.Equal(t, `{"ttl_days":0,"strategy":"","limit":4}`, text)
}

// Whoever nobody knows writes little into the database, from however many
// addresses; a row says how many came between it and the one before.
func TestStrangersDoNotFillTheAuditLog(t *testing.T) {
	a := serve(t, false, plainTokens+", RateLimit: {PerSecond: 1000, Burst: 1000}, Refusals: {Burst: 2}")
	now := time.Now()
	a.server.guard.strangers.now = func() time.Time { return now }
	for range 50 {
		code, _ := a.must("GET", "/v1/sessions", "rubbish", "")
		require.Equal(t, 401, code)
	}
	require.Len(t, a.written(), 2)
	now = now.Add(time.Minute)
	a.must("GET", "/v1/sessions", "rubbish", "")
	require.Len(t, a.written(), 3)
	require.Equal(t, "and 48 calls before", a.written()[2].Request)
	a.must("DELETE", "/v1/sessions/2", reader(t), "")
	require.Len(t, a.written(), 4, "whom somebody knows is written down")
}

// Refusals of strangers go sooner than what somebody did.
func TestRefusalsOfStrangersAreKeptBriefly(t *testing.T) {
	a := serve(t, true, plainTokens)
	a.must("GET", "/v1/sessions", "rubbish", "")
	a.must("GET", "/v1/sessions", reader(t), "")
	later := audit.New(a.db, func() time.Time { return time.Now().Add(200 * time.Hour) })
	require.NoError(t, (&keeper{rows: later, keep: 8760 * time.Hour, brief: 168 * time.Hour}).prune(t.Context()))
	require.Equal(t, []string{"alice"}, callers(a.written()))
}

// An erasure leaves the user's id and counts in the audit log, and names no login;
// nor does one that fails.
func TestTheAuditLogCountsWhatWasErased(t *testing.T) {
	a := serve(t, true, plainTokens)
	eraser := admintest.Token(t, "alice", time.Hour, token.Erase)
	code, text := a.must("DELETE", "/v1/users/777/data?dry_run=true", eraser, "")
	require.Equal(t, []any{200, `{"logged_out":4,"sessions":5,"history":0,"devices":0}`}, []any{code, text})
	code, text = a.must("DELETE", "/v1/users/777/data?reason=ticket%205", eraser, "")
	require.Equal(t, []any{200, `{"logged_out":1,"sessions":3,"history":2,"devices":1}`}, []any{code, text})
	require.Equal(t, sessions.By{Reason: logins.ByAdmin, Actor: "admin:alice", Note: "ticket 5"}, a.sessions.by[0])
	a.sessions.err = errors.New("away")
	code, _ = a.must("DELETE", "/v1/users/777/data", eraser, "")
	require.Equal(t, 503, code)
	require.Empty(t, a.loggedEnds())
	var got [][]any
	for _, e := range a.written() {
		require.EqualValues(t, 777, e.UserID)
		require.Zero(t, e.Hash)
		got = append(got, []any{e.Code, e.Affected, e.Request})
	}
	const counts = ` {"logged_out":1,"sessions":3,"history":2,"devices":1}`
	require.Equal(t, [][]any{
		{"OK", 0, `{"user_id":"777","dry_run":true} {"logged_out":4,"sessions":5,"history":0,"devices":0}`},
		{"OK", 5, `{"user_id":"777","reason":"ticket 5"}` + counts},
		{"UNAVAILABLE", 5, `{"user_id":"777"}` + counts},
	}, got)
}
