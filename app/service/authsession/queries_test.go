package authsession

import (
	"context"
	"database/sql"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
)

// Every statement of the service is planned by a server with 20,000 rows and
// more in each table, with the arguments that it comes with: none reads a table
// from end to end, none sorts more than a few rows. That no statement is
// forgotten is proven by the places in the code that run them.
func TestNoStatementScansATable(t *testing.T) {
	logx.Disable()
	dsn := testenv.DSN(t, true)
	const rows = 20_000
	clock := testenv.NewClock()
	db := testenv.Open(t, dsn)
	testenv.Fill(t, db, rows, clock.Now().Unix())

	plans := testenv.OpenPlans(t, dsn)
	redis := miniredis.RunT(t)
	conf := testenv.Config(dsn, redis.Addr())
	conf.Events.Touched = true
	conf.Sessions.TTLDays = 180
	t.Setenv("TEST_KEY", strings.Repeat("ab", 32))
	conf.KeyEncryption.Env = "TEST_KEY"
	conf.Concurrency = config.Concurrency{Strategy: "limit-per-device-type", Limit: 2}
	s, err := svc.New(t.Context(), conf, plans.DB, clock.Now)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	s.Dao.UseLocator(func(string) (country, region string) { return "Somewhere", "SW" })
	everything(t, s, db, plans, conf, clock, redis.FlushAll)

	for statement, problem := range plans.Bad() {
		t.Errorf("%s\n\t%s", statement, problem)
	}
	visited := plans.Sites()
	total := 0
	for _, call := range statementCalls(t) {
		total++
		if call.file == "internal/dao/primary.go" { // asks for a variable, below the pool
			continue
		}
		if !slices.ContainsFunc(call.lines(), func(line int) bool { return visited[testenv.Site{File: call.file, Line: line}] }) {
			t.Errorf("%s:%d is not planned here: let the test come by", call.file, call.from)
		}
	}
	require.Greater(t, total, 60, "the places were found")
	t.Logf("%d statements at %d places", plans.Statements(), total)
}

// A statement that scans is found out.
func TestScansAreFound(t *testing.T) {
	logx.Disable()
	dsn := testenv.DSN(t, true)
	testenv.Fill(t, testenv.Open(t, dsn), 20_000, time.Now().Unix(), "auth_users")
	plans := testenv.OpenPlans(t, dsn)
	t.Cleanup(func() { plans.DB.Close() })
	for _, query := range []string{
		"SELECT id FROM auth_users WHERE state = 1",
		"SELECT id FROM auth_users WHERE deleted = 0 ORDER BY revoked_by LIMIT 1",
		"UPDATE auth_users SET state = 0 WHERE android_push_session_id = 1",
		"DELETE FROM auth_users WHERE revoked_at = 1",
		"SELECT DISTINCT auth_key_id + 1 FROM auth_users WHERE user_id = 1", // through a temporary table
	} {
		_, err := plans.DB.Exec(query)
		require.NoError(t, err)
		require.Contains(t, plans.Bad(), query)
	}
	_, err := plans.DB.Exec("UPDATE auth_users SET state = 0 WHERE id = ?", 5)
	require.NoError(t, err)
	require.Len(t, plans.Bad(), 5)
}

// everything calls whatever runs statements.
func everything(t *testing.T, s *svc.ServiceContext, db *sql.DB, plans *testenv.Plans, conf config.Config, clock *testenv.Clock, forget func()) {
	ctx, d, m := t.Context(), s.Dao, s.Manager
	now := clock.Now().Unix()
	ok := func(err error) { t.Helper(); require.NoError(t, err) }
	one := func(results ...any) { t.Helper(); require.Nil(t, results[len(results)-1]) }
	patient := func(f func() error) { // a busy machine's Redis may take too long, and rests then
		t.Helper()
		var err error
		require.Eventually(t, func() bool {
			err = f()
			var late net.Error
			slow := errors.Is(err, redisring.ErrResting) || errors.As(err, &late) && late.Timeout()
			return !slow
		}, time.Minute, 10*time.Millisecond)
		ok(err)
	}

	// keys
	key := dao.Key{AuthKeyID: 77_000_001, PermAuthKeyID: 77_000_001, Body: make([]byte, 256)}
	temp := dao.Key{AuthKeyID: 77_000_002, Type: dao.Temporary, Body: make([]byte, 256)}
	ok(d.CreateKey(ctx, key, 0))
	ok(d.CreateKey(ctx, temp, 86400))
	one(d.BindKey(ctx, key.AuthKeyID, temp.AuthKeyID, func(int64) (int64, error) { return now + 86400, nil }))
	one(d.BindKey(ctx, 15_011, testenv.TempBase+15_011, func(int64) (int64, error) { return now + 86400, nil })) // stored plain
	one(d.Key(ctx, key.AuthKeyID))
	_, unknown := d.Key(ctx, 77_000_099) // is asked for twice
	require.ErrorIs(t, unknown, dao.ErrNotFound)
	resealing, enough := context.WithCancel(ctx) // 40,000 keys are more than it takes
	resealed := make(chan struct{})
	go func() {
		defer close(resealed)
		_, _, _ = d.Reseal(resealing)
	}()
	require.Eventually(t, func() bool { return plans.Saw("UPDATE auth_keys SET body = ? WHERE auth_key_id = ? AND body = ?") }, time.Minute, time.Millisecond)
	enough()
	<-resealed

	// what the cache could not be told of
	stale := []string{"auth_keys2_15011", "auth_data.2#15011"}
	ok(d.Ledger().Remember(ctx, stale))
	one(d.Ledger().Listed(ctx, 10))
	one(d.Ledger().Settled(ctx, stale))
	ok(d.Ledger().Forget(ctx, []int64{1, 2}))

	// logins
	ok(d.SetLayer(ctx, key.AuthKeyID, "10.0.0.1", 223))
	one(d.Login(ctx, key.AuthKeyID))
	one(m.SignIn(ctx, key.AuthKeyID, 100, 5, 0))
	one(m.SignIn(ctx, key.AuthKeyID, 101, 6, 0)) // instead of the former
	one(m.SignIn(ctx, 42, 101, 7, 0))
	for i := range 2 * logins.MaxOthers { // so many that a sign-in has to look for those that the policy ends
		_, err := db.Exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type) VALUES (?, 104, ?, ?, ?, 'other')",
			78_000_000+i, 78_000_000+i, now, now)
		ok(err)
	}
	for _, own := range []logins.Policy{{}, {Strategy: logins.OneLogin}} {
		ok(m.SetPolicy(ctx, 104, own))
		one(m.SignIn(ctx, 43, 104, 9, 0))
	}
	ok(d.SetClient(ctx, key.AuthKeyID, dao.Client{APIID: 6, DeviceModel: "Pixel", SystemVersion: "SDK 36", AppVersion: "1", LangPack: "android", Params: "null", IP: "10.0.0.2"}))
	ok(d.SetClient(ctx, key.AuthKeyID, dao.Client{APIID: 1, DeviceModel: "iPhone", SystemVersion: "26", AppVersion: "2", LangPack: "ios", Params: "null", IP: "10.0.0.2"}))
	ok(d.SetPushSession(ctx, key.AuthKeyID, 101, 9))
	ok(m.SetPasswordPending(ctx, key.AuthKeyID, logins.Pending{Owner: 1, UserID: 101, Owed: true}))
	ok(m.SetPasswordPending(ctx, key.AuthKeyID, logins.Pending{Owner: 1, UserID: 101}))
	ok(m.SetPasswordPending(ctx, key.AuthKeyID, logins.Pending{Owner: 2, UserID: 101, Owed: true}))
	one(m.Revoke(ctx, sessions.Selection{UserID: 101}, sessions.By{Reason: logins.ByUser}))

	// lists
	yes, no := true, false
	for _, f := range []sessions.Filter{
		{},
		{UserID: 7},
		{DeviceType: "ios"},
		{APIID: 4},
		{Active: &yes},
		{Active: &no},
		{UserID: 7, DeviceType: "ios", APIID: 5, Active: &yes},
		{DeviceType: "bot", APIID: 99, Active: &no},
	} {
		_, next, err := m.List(ctx, f, sessions.Page{})
		ok(err)
		if next != "" {
			_, _, err = m.List(ctx, f, sessions.Page{Token: next, Size: 500})
			ok(err)
		}
	}
	past, soon := clock.Now().Add(-500*24*time.Hour), clock.Now().Add(time.Hour)
	for _, match := range []sessions.Match{
		{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.7.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.3.7/32")}},
		{Countries: []string{"DE"}},
		{APIIDs: []int32{4, 5}},
		{Platforms: []string{"Android"}, DeviceTypes: []string{"android"}, DeviceModel: "pix"},
		{Text: "telegram"},
		{SignedInAfter: past, SignedInBefore: soon, ActiveAfter: past, ActiveBefore: soon},
	} {
		one(m.List(ctx, sessions.Filter{Match: match}, sessions.Page{}))
		one(m.List(ctx, sessions.Filter{Active: &yes, Match: match}, sessions.Page{}))
		for _, order := range []sessions.Sort{sessions.ByLastActive, sessions.ByIdleness} {
			for _, user := range []int64{0, 7} {
				_, next, err := m.List(ctx, sessions.Filter{UserID: user, Active: &yes, Match: match}, sessions.Page{Sort: order})
				ok(err)
				one(m.List(ctx, sessions.Filter{UserID: user, Active: &yes, Match: match}, sessions.Page{Sort: order, Token: next}))
			}
		}
		one(m.RevokeMatching(ctx, sessions.Bulk{Match: match}, 5, true, "", sessions.By{}))
		one(m.RevokeMatching(ctx, sessions.Bulk{Match: match, UserIDs: []int64{400, 401, 402}}, 5, false, "", sessions.By{Reason: logins.ByAdmin}))
	}
	one(m.Count(ctx, sessions.Filter{UserID: 7}))
	seen := lifecycle.Administered{Manager: m, Dao: d}
	one(seen.Overview(ctx))
	one(seen.Online(ctx, time.Hour))
	ok(d.NoteCleanup(ctx, dao.CleanupRun{Result: "done"}))
	one(m.Get(ctx, testenv.Hash(10)))
	one(m.FindLast(ctx, sessions.Filter{UserID: 7, DeviceType: "ios"}))
	one(m.Exists(ctx, testenv.Hash(10), 0))
	one(m.ExistsOf(ctx, sessions.Filter{UserID: 7, DeviceType: "bot"}))
	one(m.FindByKey(ctx, testenv.TempBase+15_001))
	one(m.Devices(ctx, 3))
	one(m.Statistics(ctx))

	// settings
	one(m.Policy(ctx, 12))
	ok(m.SetPolicy(ctx, 12, logins.Policy{TTLDays: 30, Strategy: logins.OneLogin}))
	ok(m.SetTTL(ctx, 12, 60))
	one(m.ChangePolicy(ctx, 12, sessions.PolicyChange{}))
	ok(m.Change(ctx, 1+21/testenv.LoginsAUser, testenv.Hash(21), sessions.Settings{Confirmed: true, CallRequestsDisabled: &yes}))

	// ends
	one(m.Revoke(ctx, sessions.Selection{Hash: testenv.Hash(30)}, sessions.By{Reason: logins.ByAdmin}))
	one(m.Revoke(ctx, sessions.Selection{UserID: 9, KeepNewest: 1}, sessions.By{Reason: logins.ByAdmin}))
	one(d.DropTempKeys(ctx, 50, nil))
	one(d.DestroyKey(ctx, 51))
	expired := int64(testenv.IdleEach + 7)
	one(d.Login(ctx, expired)) // looked at in MySQL, since its time is over
	for _, dry := range []bool{true, false} {
		one(m.Selected(ctx, sessions.Selection{UserID: 9}))
		one(lifecycle.Cleanup{Dao: d, Manager: m, OlderThan: 4320 * time.Hour, Batch: 100, Keep: 24 * time.Hour, DryRun: dry, Actor: "test"}.Run(ctx))
	}
	clock.Advance(400 * 24 * time.Hour)
	one(lifecycle.Cleanup{Dao: d, Manager: m, OlderThan: 100_000 * time.Hour, Batch: 100, Limit: 500, Actor: "test"}.Run(ctx))
	for scan, removed := d.ScanOver(clock.Now().Unix()), (dao.Rows{}); removed.Devices == 0; { // after those of the other kinds
		var over bool
		var err error
		removed, over, err = scan.Remove(ctx, 500)
		ok(err)
		require.False(t, over)
	}
	clock.Advance(-400 * 24 * time.Hour)

	for range 2 { // a login on the key of an ended one
		one(m.SignIn(ctx, key.AuthKeyID, 103, 8, 0))
		one(m.Revoke(ctx, sessions.Selection{UserID: 103}, sessions.By{Reason: logins.ByAdmin}))
	}
	one(m.Erasable(ctx, 103))
	one(m.Erase(ctx, 103, sessions.By{Reason: logins.ByAdmin}))
	_, err := m.Get(ctx, 12345)
	require.ErrorIs(t, err, sessions.ErrNotFound) // not in the history, either

	// signs of life
	for id := range int64(700) {
		s.Touch.Seen(touch.Touch{AuthKeyID: id, Seen: now, IP: "10.9.9.9"})
	}
	s.Touch.Flush(ctx)

	// background work
	warmup, err := d.StartWarmup(ctx, 24*time.Hour)
	ok(err)
	for range 2 {
		page, err := warmup.Next(ctx, 200)
		ok(err)
		require.Len(t, page, 200)
		patient(func() error {
			_, _, err := warmup.Fill(ctx, page[0])
			return err
		})
	}
	warmup.Close()
	one(d.CleanupWaits(ctx))
	ok(d.AllowCleanup(ctx))
	sweep, err := d.StartSweep(ctx, 0)
	ok(err)
	for range 20 { // both kinds of ended keys
		patient(func() error {
			_, err := sweep.Batch(ctx, 500)
			return err
		})
	}
	one(sweep.Marks(ctx, 500))
	sweep.Close()
	relay := func(done string) {
		r := d.StartRelay(svc.Events(conf.Events))
		require.Eventually(t, func() (is bool) {
			ok(db.QueryRow(done).Scan(&is))
			return is
		}, time.Minute, 10*time.Millisecond)
		<-r.Stop()
	}
	relay("SELECT COUNT(*) = 0 FROM session_events WHERE published_no = 0")
	forget() // the next one publishes a batch again, and finds that all of them are old
	_, err = db.Exec("UPDATE session_events SET published_at = 1")
	ok(err)
	one(d.Page(ctx, dao.Wanted{}, dao.Position{SignedIn: now - 40_990_000, ID: -10_000}, 100))
	relay("SELECT COUNT(DISTINCT published_no) <= 1 FROM session_events")
	taker := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer taker.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	ok(os.WriteFile(secret, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
	_, err = db.Exec("INSERT INTO session_webhooks(name, published_no) VALUES ('test', 0)")
	ok(err)
	hook := d.StartHooks(svc.Events(config.Events{Poll: 10 * time.Millisecond, Webhooks: []config.Webhook{{
		Name: "test", URL: taker.URL, SecretFile: secret,
		Timeout: time.Second, Attempts: 1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Parallel: 8, Queue: 100,
	}}}))[0]
	require.Eventually(t, func() (is bool) {
		ok(db.QueryRow("SELECT published_no > 0 FROM session_webhooks").Scan(&is))
		return is
	}, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() (is bool) { // those that were to be tried again
		ok(db.QueryRow("SELECT COUNT(*) = 0 FROM session_webhook_dead WHERE name = 'test' AND retry = 1").Scan(&is))
		return is
	}, time.Minute, 10*time.Millisecond)
	<-hook.Stop()
	refuser := httptest.NewServer(http.NotFoundHandler())
	defer refuser.Close()
	webhook := config.Webhook{Name: "refused", URL: refuser.URL, SecretFile: secret, Timeout: time.Second, Attempts: 1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Parallel: 8, Queue: 100}
	_, err = db.Exec("INSERT INTO session_webhooks(name, published_no) VALUES ('refused', 0)")
	ok(err)
	hook = d.StartHooks(svc.Events(config.Events{Poll: 10 * time.Millisecond, Webhooks: []config.Webhook{webhook}}))[0]
	require.Eventually(t, func() (is bool) {
		ok(db.QueryRow("SELECT COUNT(*) > 0 FROM session_webhook_dead WHERE name = 'refused'").Scan(&is))
		return is
	}, time.Minute, 10*time.Millisecond)
	<-hook.Stop()
	book := events.NewBook(plans.DB, svc.Events(config.Events{Stream: "s", Webhooks: []config.Webhook{webhook, {Name: "test"}}}))
	one(book.State(ctx))
	_, err = db.Exec("UPDATE session_events SET published_no = 0 ORDER BY id DESC LIMIT 1")
	ok(err)
	one(book.State(ctx))
	one(book.Hooks(ctx))
	for _, after := range []string{"", events.Oldest} {
		_, next, err := book.Read(ctx, after, "session.revoked", 5, 100)
		ok(err)
		one(book.Read(ctx, next, "", 0, 100))
	}
	for _, user := range []int64{0, 77} {
		one(book.DeadLetters(ctx, "test", user, 1<<62, 100))
		for _, dry := range []bool{true, false} {
			one(book.Retry(ctx, events.Chosen{Webhook: "test", UserID: user}, dry))
			one(book.Retry(ctx, events.Chosen{Webhook: "test", IDs: []int64{5, 7, 9}}, dry))
			one(book.Purge(ctx, events.Chosen{Webhook: "test", UserID: user}, dry))
			one(book.Purge(ctx, events.Chosen{Webhook: "test", IDs: []int64{6}}, dry))
		}
	}
	one(book.Knows(ctx, "refused"))
	one(book.Knows(ctx, "nobody"))
	ok(events.ForgetDead(ctx, plans.DB, time.Unix(1, 0)))
	log := audit.New(plans.DB, clock.Now)
	id, err := log.Write(ctx, audit.Entry{Transport: "grpc", Method: "ListSessions"})
	ok(err)
	ok(log.Complete(ctx, id, audit.Outcome{Code: "OK", Ended: []audit.Ended{{UserID: 1, Hash: 2}}}))
	for _, f := range []audit.Filter{{}, {UserID: 5}, {Caller: "test"}, {Method: "ListSessions"}, {Ticket: "T"}, {Code: "OK", Since: clock.Now().Add(-time.Hour), Until: clock.Now().Add(time.Hour)}} {
		_, next, err := log.Page(ctx, f, 0, 50)
		ok(err)
		one(log.Page(ctx, f, next, 50))
	}
	one(log.Get(ctx, 5))
	one(log.Claim(ctx, "alice", "k", nil))
	ok(log.Keep(ctx, "alice", "k", []byte("x")))
	one(log.Claim(ctx, "alice", "k", nil))
	clock.Advance(25 * time.Hour)
	one(log.Claim(ctx, "alice", "k", nil)) // another's, by now
	ok(log.Free(ctx, "alice", "k"))
	one(log.PruneAnswers(ctx, 24*time.Hour, 100))
	clock.Advance(-25 * time.Hour)
	one(log.PruneRefusals(context.Background(), -time.Hour, 100))
	id, err = log.Write(ctx, audit.Entry{Transport: "grpc", Method: "ListSessions", Caller: "alice"})
	ok(err)
	ok(log.Complete(ctx, id, audit.Outcome{Code: "OK", Ended: []audit.Ended{{UserID: 1, Hash: 2}}}))
	one(log.Prune(context.Background(), -time.Hour, 100))
}

// statementCall is a place in the code that runs a statement.
type statementCall struct {
	file     string
	from, to int
}

func (c statementCall) lines() (list []int) {
	for line := c.from; line <= c.to; line++ {
		list = append(list, line)
	}
	return list
}

// runners run statements; those of ours take a part of the statement.
var runners = []string{"ExecCtx", "QueryRowCtx", "QueryRowsCtx", "ExecContext", "QueryContext", "QueryRowContext", "records", "recordsOf", "ended", "deleteRows", "clearMentions"}

func statementCalls(t *testing.T) (list []statementCall) {
	t.Helper()
	root, err := filepath.Abs("internal")
	require.NoError(t, err)
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testenv/") {
			return err
		}
		if strings.Contains(path, "/doctor/") { // it asks for settings, not for rows, and once
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, isCall := n.(*ast.CallExpr)
			if !isCall {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			if slices.Contains(runners, name) && !shows(call) {
				list = append(list, statementCall{testenv.SiteFile(path), files.Position(call.Pos()).Line, files.Position(call.End()).Line})
			}
			return true
		})
		return nil
	}))
	return list
}

// shows reports whether a call asks for what is in no table.
func shows(call *ast.CallExpr) bool {
	return slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
		text, isText := arg.(*ast.BasicLit)
		return isText && strings.HasPrefix(text.Value, `"SHOW VARIABLES `)
	})
}
