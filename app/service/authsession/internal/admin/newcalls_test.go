package admin

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// The caller learns who they are and until when, whatever they may.
func TestWhoAmI(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, text := a.must("GET", "/v1/whoami", admintest.Token(t, "alice", time.Hour, token.Audit), "")
	require.Equal(t, 200, code, text)
	var out struct {
		Name, By  string
		Scopes    []string
		ExpiresAt time.Time `json:"expires_at"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &out))
	require.Equal(t, []any{"alice", "token", []string{"audit:read"}}, []any{out.Name, out.By, out.Scopes})
	require.WithinDuration(t, time.Now().Add(time.Hour), out.ExpiresAt, time.Minute)
}

// Reason and ticket of each change are in the audit log, each in its own place, and
// reach the logins that end.
func TestReasonAndTicketAreKept(t *testing.T) {
	a := serve(t, true, manyCalls)
	a.server.calls.events = eventBook{a.sessions}
	for _, r := range []struct{ verb, path, body string }{
		{"DELETE", "/v1/sessions/4611686018427387905?reason=lost+phone&ticket=T-1", ""},
		{"DELETE", "/v1/users/777/sessions?reason=lost+phone&ticket=T-1", ""},
		{"DELETE", "/v1/users/777/data?reason=lost+phone&ticket=T-1", ""},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"7200s","reason":"lost phone","ticket":"T-1"}`},
		{"POST", "/v1/sessions:revoke", `{"match":{"api_ids":[6]},"reason":"lost phone","ticket":"T-1"}`},
		{"PUT", "/v1/users/777/policy?reason=lost+phone&ticket=T-1", "{}"},
		{"PATCH", "/v1/users/777/policy?reason=lost+phone&ticket=T-1", `{"limit":1}`},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"all":true,"reason":"lost phone","ticket":"T-1"}`},
		{"POST", "/v1/webhooks/gone/dead-letters:purge", `{"all":true,"reason":"lost phone","ticket":"T-1"}`},
	} {
		code, text := a.must(r.verb, r.path, both(t), r.body)
		require.Less(t, code, 300, "%s %s: %s", r.verb, r.path, text)
	}
	written := a.written()
	require.Len(t, written, 9)
	for _, e := range written {
		require.Equal(t, []string{"lost phone", "T-1", "OK"}, []string{e.Note, e.Ticket, e.Code}, e.Method)
	}
	for _, by := range a.sessions.by {
		require.Equal(t, sessions.By{Reason: logins.ByAdmin, Actor: "admin:root", Note: "lost phone", Ticket: "T-1"}, by)
	}
	require.Len(t, a.sessions.by, 4)
	_, text := a.must("GET", "/v1/audit?ticket=T-1&method=RevokeMatching", both(t), "")
	require.Contains(t, text, `"reason":"lost phone","ticket":"T-1"`)
	require.Contains(t, text, `"affected":2`)
}

// A bulk revocation names what it ended and where to go on; so does its error.
func TestRevokeMatching(t *testing.T) {
	a := serve(t, false, manyCalls)
	a.sessions.pages = 2
	code, text := a.must("POST", "/v1/sessions:revoke", both(t), `{"match":{"api_ids":[6]}}`)
	require.Equal(t, 200, code)
	require.Equal(t, `{"matched":2,"ended":2,"more":true,"next_page_token":"next","examined":9,"sessions":[{"user_id":"777","hash":"4611686018427387905"},{"user_id":"778","hash":"2"}]}`, text)
	_, text = a.must("POST", "/v1/sessions:revoke", both(t), `{"match":{"api_ids":[6]},"page_token":"next"}`)
	require.Contains(t, text, `"more":false,"next_page_token":""`)
	_, text = a.must("POST", "/v1/sessions:revoke", both(t), `{"match":{"api_ids":[6]},"dry_run":true,"limit":1}`)
	require.Contains(t, text, `"matched":2,"ended":0,"more":false`)
	require.Equal(t, 0, a.written()[2].Affected, "a dry run has ended nothing")

	a.sessions.err, a.sessions.ended = errors.New("away"), ended(3)
	code, text = a.must("POST", "/v1/sessions:revoke", both(t), `{"match":{"api_ids":[6]}}`)
	require.Equal(t, 503, code)
	require.Equal(t, 3, strings.Count(text, `"hash"`))
	require.Equal(t, 3, a.written()[3].Affected)
	ctx, client := a.client(both(t))
	_, err := client.RevokeMatching(ctx, &pb.RevokeMatchingRequest{Match: &pb.SessionMatch{ApiIds: []int32{6}}})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.EqualValues(t, 3, status.Convert(err).Details()[0].(*pb.Partial).Count)
}

// The same key and request have the same answer and change nothing again, on both
// transports; another request with the key is refused, and so is a malformed key.
func TestIdempotencyKeys(t *testing.T) {
	a := serve(t, true, manyCalls)
	revokeAll := func(key string) (*http.Response, string) {
		answer, text, err := a.call("DELETE", "/v1/users/777/sessions?reason=x", both(t), "", "Idempotency-Key", key)
		require.NoError(t, err)
		return answer, text
	}
	answer, _ := revokeAll("key 1")
	require.Equal(t, 400, answer.StatusCode, "a space")
	answer, first := revokeAll("key-1")
	require.Equal(t, 200, answer.StatusCode, first)
	require.Empty(t, answer.Header.Get("Idempotency-Replayed"))
	require.Contains(t, first, "4611686018427387905")
	asked := len(a.sessions.calls())
	answer, again := revokeAll("key-1")
	require.Equal(t, []string{"true", first}, []string{answer.Header.Get("Idempotency-Replayed"), again})
	ctx, client := a.client(both(t))
	var header metadata.MD
	over, err := client.RevokeSessions(metadata.AppendToOutgoingContext(ctx, "idempotency-key", "key-1"), &pb.RevokeSessionsRequest{UserId: 777, Reason: "x"}, grpc.Header(&header))
	require.NoError(t, err)
	require.Equal(t, []string{"true"}, header.Get("idempotency-replayed"))
	require.Equal(t, []int64{1<<62 + 1}, over.GetHashes())
	require.Len(t, a.sessions.calls(), asked, "nothing was done again")

	_, err = client.RevokeSessions(metadata.AppendToOutgoingContext(ctx, "idempotency-key", "key-1"), &pb.RevokeSessionsRequest{UserId: 778, Reason: "x"})
	require.Equal(t, codes.AlreadyExists, status.Code(err))
	code, text := a.must("DELETE", "/v1/sessions/2", both(t), "", "Idempotency-Key", "key-1")
	require.Equal(t, 422, code)
	require.Contains(t, text, "ALREADY_EXISTS")
	code, _ = a.must("DELETE", "/v1/sessions/2", both(t), "", "Idempotency-Key", strings.Repeat("k", 129))
	require.Equal(t, 400, code)
	code, _ = a.must("DELETE", "/v1/sessions/2", admintest.Token(t, "another", time.Hour, token.Revoke), "", "Idempotency-Key", "key-1")
	require.Equal(t, 204, code, "keys are a caller's own")
	require.Len(t, a.sessions.calls(), asked+2, "looked up and ended")

	var reasons []string
	for _, e := range a.written() {
		reasons = append(reasons, e.Code+" "+e.Reason)
	}
	require.Equal(t, []string{"INVALID_ARGUMENT key", "OK ", "OK replayed", "OK replayed", "ALREADY_EXISTS key_reused", "ALREADY_EXISTS key_reused", "INVALID_ARGUMENT key", "OK "}, reasons)
}

// A call that failed frees its key; one under way holds it, until it must have died.
func TestTheKeyOfACallThatFailedIsFree(t *testing.T) {
	a := serve(t, true, manyCalls)
	a.sessions.err = errors.New("away")
	code, _ := a.must("DELETE", "/v1/users/777/sessions", both(t), "", "Idempotency-Key", "k")
	require.Equal(t, 503, code)
	a.sessions.err = nil
	code, text := a.must("DELETE", "/v1/users/777/sessions", both(t), "", "Idempotency-Key", "k")
	require.Equal(t, 200, code)
	require.Contains(t, text, "4611686018427387905")

	_, err := a.db.Exec("UPDATE auth_admin_answers SET answer = NULL")
	require.NoError(t, err)
	code, _ = a.must("DELETE", "/v1/users/777/sessions", both(t), "", "Idempotency-Key", "k")
	require.Equal(t, 409, code)
	_, err = a.db.Exec("UPDATE auth_admin_answers SET created_at = created_at - 601000")
	require.NoError(t, err)
	code, _ = a.must("DELETE", "/v1/users/777/sessions", both(t), "", "Idempotency-Key", "k")
	require.Equal(t, 200, code)

	_, err = a.db.Exec("UPDATE auth_admin_answers SET created_at = created_at - 86400001")
	require.NoError(t, err)
	code, _ = a.must("DELETE", "/v1/users/778/sessions", both(t), "", "Idempotency-Key", "k")
	require.Equal(t, 200, code, "a day later the key is another's")
	_, err = a.db.Exec("UPDATE auth_admin_answers SET created_at = created_at - 86400001")
	require.NoError(t, err)
	require.NoError(t, a.server.keeper.prune(t.Context()))
	var left int
	require.NoError(t, a.db.QueryRow("SELECT COUNT(*) FROM auth_admin_answers").Scan(&left))
	require.Zero(t, left)
}

// Whoever may not is refused before their key is looked at: they learn nothing of
// the answers of others with their name.
func TestAKeyGivesNoRight(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, _ := a.must("DELETE", "/v1/users/777/sessions", revoker(t), "", "Idempotency-Key", "k")
	require.Equal(t, 200, code)
	code, text := a.must("DELETE", "/v1/users/777/sessions", admintest.Token(t, "bob", time.Hour, token.Read), "", "Idempotency-Key", "k")
	require.Equal(t, 403, code)
	require.NotContains(t, text, "4611686018427387905")
}

// The audit log is read by page, a row with what its call ended, and as a file.
func TestTheAuditLogIsRead(t *testing.T) {
	a := serve(t, true, manyCalls)
	evil := admintest.Token(t, "=cmd|x", time.Hour, token.Revoke)
	a.must("DELETE", "/v1/users/777/sessions?ticket=T-9", both(t), "")
	a.must("DELETE", "/v1/users/778/sessions?reason=%2Bsum", evil, "")
	a.must("GET", "/v1/sessions", revoker(t), "")
	_, err := a.db.Exec("INSERT INTO auth_admin_log_sessions(log_id, user_id, hash) VALUES (2, 777, 9)")
	require.NoError(t, err)
	auditor := admintest.Token(t, "auditor", time.Hour, token.Audit)
	list := func(query string) (methods []string, next string) {
		code, text := a.must("GET", "/v1/audit?"+query, auditor, "")
		require.Equal(t, 200, code, text)
		var out struct {
			Entries []struct{ Method, Caller, Code string }
			Next    string `json:"next_page_token"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		for _, e := range out.Entries {
			methods = append(methods, e.Caller+" "+e.Code)
		}
		return methods, out.Next
	}
	first, next := list("page_size=1")
	require.Equal(t, []string{"bob PERMISSION_DENIED"}, first)
	rest, end := list("page_size=500&page_token=" + next)
	require.Equal(t, []string{"=cmd|x OK", "root OK"}, rest)
	require.Empty(t, end)
	for query, want := range map[string][]string{
		"user_id=777":                {"=cmd|x OK", "root OK"}, // the one is about 778 and ended a login of 777
		"user_id=778":                {"=cmd|x OK"},
		"caller=bob":                 {"bob PERMISSION_DENIED"},
		"method=ListSessions":        {"bob PERMISSION_DENIED"},
		"ticket=T-9":                 {"root OK"},
		"ticket=t-9":                 nil,
		"caller=bob&code=OK":         nil,
		"code=PERMISSION_DENIED":     {"bob PERMISSION_DENIED"},
		"until=2020-01-01T00:00:00Z": nil,
		"since=2100-01-01T00:00:00Z": nil,
	} {
		found, _ := list(query)
		require.Equal(t, want, found, query)
	}
	_, text := a.must("GET", "/v1/audit/1", auditor, "")
	require.Contains(t, text, `"ended":[{"user_id":"777","hash":"4611686018427387905"}]`)

	answer, text, err := a.call("GET", "/v1/audit:export?format=csv&since=2020-01-01T00:00:00Z&method=RevokeSessions&user_id=778", auditor, "")
	require.NoError(t, err)
	require.Equal(t, []string{"text/csv; charset=utf-8", `attachment; filename="audit.csv"`}, []string{answer.Header.Get("Content-Type"), answer.Header.Get("Content-Disposition")})
	require.Equal(t, "1", answer.Trailer.Get("X-Export-Rows"))
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, []string{"id", "'=cmd|x", "'+sum"}, []string{rows[0][0], rows[1][4], rows[1][11]})
	_, text, err = a.call("GET", "/v1/audit:export?format=ndjson&caller=bob", auditor, "")
	require.NoError(t, err)
	require.JSONEq(t, `["bob"]`, func() string {
		var e struct{ Caller string }
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		return `["` + e.Caller + `"]`
	}())
	written := a.written()
	require.Equal(t, "ExportAudit", written[len(written)-1].Method, "reading is written down, too")
}

// An export that breaks off is seen as broken, and one that cannot begin is an error.
func TestAnExportThatBreaksOff(t *testing.T) {
	a := serve(t, false, manyCalls)
	for range 600 {
		a.rows.rows = append(a.rows.rows, audit.Entry{Method: "GetConfig", Caller: "x"})
	}
	a.rows.failsAt(2)
	_, text, err := a.call("GET", "/v1/audit:export?format=ndjson", both(t), "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 500, strings.Count(text, "\n"))
	a.rows.failsAt(1)
	code, text := a.must("GET", "/v1/audit:export?format=ndjson", both(t), "")
	require.Equal(t, 503, code)
	require.Contains(t, text, `{"error":`)
}

// All logins are counted once in a while, however often they are asked for.
func TestCountsAreKept(t *testing.T) {
	a := serve(t, false, manyCalls)
	for range 5 {
		code, text := a.must("GET", "/v1/overview", both(t), "")
		require.Equal(t, 200, code, text)
		a.must("GET", "/v1/statistics", both(t), "")
		a.must("GET", "/v1/sessions?total=true&active=true", both(t), "")
	}
	n := 0
	for _, asked := range a.sessions.calls() {
		if asked == "statistics" {
			n++
		}
	}
	require.Equal(t, 1, n)
	_, text := a.must("GET", "/v1/sessions?total=true&active=true", both(t), "")
	require.Contains(t, text, `"total":"1152921504606846976","total_at_least":false`)
	_, text = a.must("GET", "/v1/sessions?total=true&api_id=6", both(t), "")
	require.Contains(t, text, `"total":"12","total_at_least":true`)
	a.server.calls.counts.last.Load().at = time.Now().Add(-countEvery)
	a.must("GET", "/v1/statistics", both(t), "")
	require.Contains(t, a.sessions.calls()[len(a.sessions.calls())-2:], "statistics")
	_, text = a.must("GET", "/v1/overview", both(t), "")
	require.Contains(t, text, `"online":"7","online_within":"660s","sign_ins":[{"minute":"2023-11-14T22:13:20Z","count":"3"}],"clean_ups":[{"at":"2023-11-14T22:13:20Z","took":"1.500s","result":"done","sessions":"4","removed":"9","node":"a"}],"events":{"enabled":true,"waiting":"5","waiting_at_least":false,"lag":"1.500s"},"webhooks":[{"name":"billing"`)
}
