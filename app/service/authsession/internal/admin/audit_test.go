package admin

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// A row says who asked for what, and what came of it.
func TestCallsAreWrittenDown(t *testing.T) {
	a := serve(t, true, plainTokens)
	a.must("GET", "/v1/sessions?user_id=777&active=true", reader(t), "")
	a.must("DELETE", "/v1/users/777/sessions?device_type=android&except=9&keep_newest=1", revoker(t), "")
	a.must("DELETE", "/v1/sessions/4611686018427387905", revoker(t), "")
	a.must("DELETE", "/v1/sessions/12345", revoker(t), "")
	a.must("POST", "/v1/sessions:cleanup", revoker(t), `{"older_than":"7200s"}`)
	a.must("GET", "/v1/sessions?page_size=x", reader(t), "")
	require.Equal(t, []audit.Entry{
		{Transport: "rest", Method: "ListSessions", Caller: "alice", ClientIP: "127.0.0.1", UserID: 777, Request: `{"user_id":"777","active":true}`, Code: "OK", Affected: 2},
		{Transport: "rest", Method: "RevokeSessions", Caller: "bob", ClientIP: "127.0.0.1", UserID: 777, Request: `{"user_id":"777","device_type":"android","except_hash":"9","keep_newest":1}`, Code: "OK", Affected: 1},
		{Transport: "rest", Method: "RevokeSession", Caller: "bob", ClientIP: "127.0.0.1", UserID: 777, Hash: 1<<62 + 1, Request: `{"hash":"4611686018427387905"}`, Code: "OK"},
		{Transport: "rest", Method: "RevokeSession", Caller: "bob", ClientIP: "127.0.0.1", Hash: 12345, Request: `{"hash":"12345"}`, Code: "NOT_FOUND"},
		{Transport: "rest", Method: "CleanUp", Caller: "bob", ClientIP: "127.0.0.1", Request: `{"older_than":"7200s"}`, Code: "OK"},
		{Transport: "rest", Method: "ListSessions", Caller: "alice", ClientIP: "127.0.0.1", Code: "INVALID_ARGUMENT"},
	}, a.written())
}

// A change that cannot be written down is not made; a read is answered.
func TestAChangeThatCannotBeWrittenDownIsNotMade(t *testing.T) {
	a := serve(t, true, plainTokens)
	_, err := a.db.Exec("RENAME TABLE auth_admin_logs TO away")
	require.NoError(t, err)
	code, text := a.must("DELETE", "/v1/sessions/4611686018427387905", revoker(t), "")
	require.Equal(t, 503, code)
	require.Contains(t, text, "the audit log cannot be written; nothing was done")
	ctx, client := a.client(revoker(t))
	_, err = client.CleanUp(ctx, &pb.CleanUpRequest{})
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Empty(t, a.sessions.calls())

	code, _ = a.must("GET", "/v1/sessions", reader(t), "")
	require.Equal(t, 200, code)
	code, _ = a.must("GET", "/v1/sessions", "rubbish", "")
	require.Equal(t, 401, code)
	_, err = a.db.Exec("RENAME TABLE away TO auth_admin_logs")
	require.NoError(t, err)
	code, text = a.must("DELETE", "/v1/sessions/4611686018427387905", revoker(t), "")
	require.Equal(t, 204, code, text)
}

// Trouble of our own is an answer that says nothing of it, and is written down.
func TestTroubleIsAnswered(t *testing.T) {
	a := serve(t, false, plainTokens)
	a.sessions.err = errors.New("dial tcp: secret.example.org is away")
	for range 2 {
		code, text := a.must("GET", "/v1/statistics", reader(t), "")
		require.Equal(t, 503, code)
		require.Equal(t, `{"error":{"code":"UNAVAILABLE","message":"the store cannot be used now; the log says why"}}`, text)
		code, _ = a.must("DELETE", "/v1/sessions/2", revoker(t), "")
		require.Equal(t, 503, code)
		a.sessions.panic = true
		code, text = a.must("DELETE", "/v1/sessions/2", revoker(t), "")
		require.Equal(t, 500, code)
		require.Contains(t, text, `{"error":{"code":"INTERNAL"`)
		ctx, client := a.client(reader(t))
		_, err := client.GetStatistics(ctx, &pb.GetStatisticsRequest{})
		require.Equal(t, codes.Internal, status.Code(err))
		a.sessions.panic = false
	}
	for _, e := range a.written() {
		require.NotEmpty(t, e.Code)
	}
}

func TestAuditRowsFitTheirColumns(t *testing.T) {
	a := serve(t, true, plainTokens)
	log := audit.New(a.db, time.Now)
	long := strings.Repeat("ü", 2000) + "\xff"
	_, err := log.Write(t.Context(), audit.Entry{Transport: "rest", Method: long, Caller: long, ClientIP: long, Request: long, Code: long, Reason: long})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ü", 512), a.written()[0].Request)
}

// Old rows go, young ones stay, and a limit holds.
func TestOldRowsAreRemoved(t *testing.T) {
	a := serve(t, true, plainTokens)
	now := time.Now()
	log := audit.New(a.db, func() time.Time { return now })
	for range 5 {
		_, err := log.Write(t.Context(), audit.Entry{Caller: "old"})
		require.NoError(t, err)
	}
	now = now.Add(2 * time.Hour)
	_, err := log.Write(t.Context(), audit.Entry{Caller: "young"})
	require.NoError(t, err)
	n, err := log.Prune(t.Context(), time.Hour, 3)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	k := &keeper{rows: log, keep: time.Hour, brief: time.Hour}
	require.NoError(t, k.prune(t.Context()))
	require.Equal(t, []string{"young"}, callers(a.written()))
	var plan, table string
	rows, err := a.db.Query("EXPLAIN FORMAT=TRADITIONAL SELECT id FROM auth_admin_logs WHERE created_at < 5 ORDER BY created_at LIMIT 3")
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		require.NoError(t, rows.Scan(cells...))
		for i, c := range cells {
			if text, ok := (*c.(*any)).([]byte); ok {
				plan, table = plan+columns[i]+"="+string(text)+" ", table+string(text)
			}
		}
	}
	require.NoError(t, rows.Err())
	require.Contains(t, table, "idx_created_at", plan)
}
