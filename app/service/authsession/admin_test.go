package authsession

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/client"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/ctl"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// operator is somebody with the admin API of a whole service, on a real
// database.
type operator struct {
	t    *testing.T
	db   *sql.DB
	node *Server
	peer *client.Client // as session and the BFF have it
	grpc string
	rest string
}

func administered(t *testing.T, more ...string) *operator {
	o := &operator{t: t, grpc: freeport.Address(t), rest: freeport.Address(t)}
	dsn := testenv.DSN(t, true)
	o.db = testenv.Open(t, dsn)
	_, port, err := net.SplitHostPort(o.rest)
	require.NoError(t, err)
	block := fmt.Sprintf("Admin: {ListenOn: %q, Rest: {Port: %s}, Tokens: {HMACKeyFile: %s}, RateLimit: {PerSecond: 1000, Burst: 1000}}",
		o.grpc, port, admintest.File(t, "secret", []byte(admintest.Secret)))
	o.node, o.peer = serveOn(t, dsn, append(more, block)...)
	return o
}

// login logs a user in on a new key.
func (o *operator) login(user int64, model string) (key, hash int64) {
	o.t.Helper()
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(o.t, err)
	key = k.WithID().IntID()
	_, err = o.peer.AuthsessionSetAuthKey(o.t.Context(), &pb.TLAuthsessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: key, AuthKey: k[:]}})
	require.NoError(o.t, err)
	_, err = o.peer.AuthsessionSetInitConnection(o.t.Context(), &pb.TLAuthsessionSetInitConnection{
		AuthKeyId: key, Ip: "10.1.2.3",
		ApiId: 6, DeviceModel: model, SystemVersion: "SDK 35", AppVersion: "11.0", LangPack: "android", LangCode: "en",
	})
	require.NoError(o.t, err)
	h, err := o.peer.AuthsessionBindAuthKeyUser(o.t.Context(), &pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: key, UserId: user})
	require.NoError(o.t, err)
	return key, h.V
}

func (o *operator) call(verb, path, body string) (int, map[string]any) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), verb, "http://"+o.rest+path, strings.NewReader(body))
	require.NoError(o.t, err)
	request.Header.Set("Authorization", "Bearer "+admintest.Token(o.t, "root", time.Hour, token.Read, token.Revoke))
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	require.NoError(o.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(o.t, err)
	out := map[string]any{}
	if len(text) > 0 {
		require.NoError(o.t, json.Unmarshal(text, &out), "%s", text)
	}
	return answer.StatusCode, out
}

func (o *operator) ctl(args ...string) (code int, stdout, stderr string) {
	o.t.Helper()
	var out, errs bytes.Buffer
	code = ctl.Run(args, func(name string) string {
		return map[string]string{"AUTHSESSION_ADMIN": o.grpc, "AUTHSESSION_TOKEN": admintest.Token(o.t, "root", time.Hour, token.Read, token.Revoke)}[name]
	}, &out, &errs)
	return code, out.String(), errs.String()
}

func (o *operator) count(query string, args ...any) (n int) {
	o.t.Helper()
	require.NoError(o.t, o.db.QueryRow(query, args...).Scan(&n))
	return n
}

// DELETE twice: 204 both, one event, one end in the history, and the key is
// nobody's at once.
func TestDeletingALoginTwiceEndsItOnce(t *testing.T) {
	o := administered(t, "Events: {Stream: test.admin, Poll: 1m}") // nothing is published: all events stay in the table
	key, hash := o.login(777, "Pixel 9")
	other, _ := o.login(777, "Pixel 8")
	path := fmt.Sprintf("/v1/sessions/%d", hash)

	code, found := o.call("GET", path, "")
	require.Equal(t, 200, code)
	require.Equal(t, []any{fmt.Sprint(hash), "777", fmt.Sprint(key), "android", "Pixel 9", "10.1.2.3", ""},
		[]any{found["hash"], found["user_id"], found["auth_key_id"], found["device_type"], found["device_model"], found["ip"], found["revoke_reason"]})
	for range 2 {
		code, _ = o.call("DELETE", path, "")
		require.Equal(t, 204, code)
	}
	user, err := o.peer.AuthsessionGetUserId(t.Context(), &pb.TLAuthsessionGetUserId{AuthKeyId: key})
	require.NoError(t, err)
	require.Zero(t, user.V)
	user, err = o.peer.AuthsessionGetUserId(t.Context(), &pb.TLAuthsessionGetUserId{AuthKeyId: other})
	require.NoError(t, err)
	require.EqualValues(t, 777, user.V)
	require.Equal(t, 1, o.count("SELECT COUNT(*) FROM session_events WHERE type = 'session.revoked'"))
	require.Equal(t, 1, o.count("SELECT COUNT(*) FROM session_events WHERE type = 'session.revoked' AND body LIKE '%admin:root%'"))
	code, found = o.call("GET", path, "")
	require.Equal(t, 200, code)
	require.Equal(t, []any{"by-admin", "admin:root"}, []any{found["revoke_reason"], found["revoked_by"]})
	require.NotEmpty(t, found["revoked_at"])
	require.Equal(t, 2, o.count("SELECT COUNT(*) FROM auth_admin_logs WHERE method = 'RevokeSession' AND hash = ? AND code = 'OK' AND caller = 'root'", hash))
	require.Equal(t, 1, o.count("SELECT SUM(affected) FROM auth_admin_logs WHERE method = 'RevokeSession'"))
	code, _ = o.call("DELETE", "/v1/sessions/4611686018427387904", "")
	require.Equal(t, 404, code)
}

// Everything the API does, on the real session manager.
func TestTheAdminAPIOnARealDatabase(t *testing.T) {
	o := administered(t)
	var hashes []string
	for i := range 5 {
		_, hash := o.login(777, fmt.Sprintf("phone %d", i))
		hashes = append(hashes, fmt.Sprint(hash))
	}
	key, foreign := o.login(778, "another's")

	t.Run("pages", func(t *testing.T) {
		seen, next := map[any]bool{}, ""
		for range 10 {
			code, page := o.call("GET", "/v1/sessions?user_id=777&page_size=2&page_token="+next, "")
			require.Equal(t, 200, code, "%v", page)
			for _, s := range page["sessions"].([]any) {
				seen[s.(map[string]any)["hash"]] = true
			}
			if next = page["next_page_token"].(string); next == "" {
				break
			}
		}
		require.Len(t, seen, 5)
		code, page := o.call("GET", "/v1/sessions?user_id=777&page_size=2", "")
		require.Equal(t, 200, code)
		code, _ = o.call("GET", "/v1/sessions?user_id=778&page_token="+page["next_page_token"].(string), "")
		require.Equal(t, 400, code, "the token of another list")
		for _, forged := range []string{"x", strings.Repeat("A", 500), "AAAA", "-1", "%00%ff", "%27%20OR%201=1"} {
			code, _ = o.call("GET", "/v1/sessions?page_token="+forged, "")
			require.Equal(t, 400, code, forged)
		}
		code, page = o.call("GET", "/v1/sessions?device_type=ios", "")
		require.Equal(t, 200, code)
		require.Empty(t, page["sessions"])
	})
	t.Run("by key", func(t *testing.T) {
		code, found := o.call("GET", fmt.Sprintf("/v1/keys/%d/session", key), "")
		require.Equal(t, 200, code)
		require.Equal(t, fmt.Sprint(foreign), found["hash"])
		code, _ = o.call("GET", "/v1/keys/5/session", "")
		require.Equal(t, 404, code)
	})
	t.Run("policy", func(t *testing.T) {
		code, p := o.call("GET", "/v1/users/777/policy", "")
		require.Equal(t, 200, code)
		require.Equal(t, map[string]any{"ttl_days": 0.0, "strategy": "", "limit": 0.0}, p)
		set := map[string]any{"ttl_days": 30.0, "strategy": "limit-per-device-type", "limit": 3.0}
		body, err := json.Marshal(set)
		require.NoError(t, err)
		code, p = o.call("PUT", "/v1/users/777/policy", string(body))
		require.Equal(t, 200, code)
		require.Equal(t, set, p)
		exit, text, stderr := o.ctl("policy", "get", "777")
		require.Zero(t, exit, stderr)
		require.Contains(t, text, "30        limit-per-device-type  3")
	})
	t.Run("ctl", func(t *testing.T) {
		exit, text, stderr := o.ctl("list", "--user", "777", "--limit", "3")
		require.Zero(t, exit, stderr)
		require.Equal(t, 4, strings.Count(text, "\n"), text)
		require.Contains(t, stderr, "there are more: --page-token ")
		exit, text, stderr = o.ctl("get", fmt.Sprint(foreign), "-o", "json")
		require.Zero(t, exit, stderr)
		require.Contains(t, text, `"device_model": "another's"`)
		exit, text, stderr = o.ctl("stats")
		require.Zero(t, exit, stderr)
		require.Regexp(t, `live +6`, text)
	})
	t.Run("all but one and the newest", func(t *testing.T) {
		code, out := o.call("DELETE", "/v1/users/777/sessions?device_type=web", "")
		require.Equal(t, 200, code)
		require.Empty(t, out["hashes"])
		code, _ = o.call("DELETE", "/v1/users/777/sessions?at_most=4", "")
		require.Equal(t, 412, code)
		require.Equal(t, 5, o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 0"))
		code, out = o.call("DELETE", "/v1/users/777/sessions?keep_newest=2&except="+hashes[0], "")
		require.Equal(t, 200, code)
		require.Len(t, out["hashes"], 2)
		require.NotContains(t, out["hashes"], hashes[0])
		require.Equal(t, 3, o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 0"))
	})
	t.Run("clean-up", func(t *testing.T) {
		_, err := o.db.Exec("UPDATE auth_users u JOIN auths a USING (auth_key_id) SET u.date_active = ?, a.date_active = u.date_active WHERE u.user_id = 778",
			time.Now().Add(-48*time.Hour).Unix())
		require.NoError(t, err)
		code, out := o.call("POST", "/v1/sessions:cleanup", `{"older_than":"86400s","dry_run":true}`)
		require.Equal(t, 200, code)
		require.Equal(t, map[string]any{"count": 1.0, "more": false, "ended": []any{}}, out)
		require.Equal(t, 1, o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = 778 AND deleted = 0"))
		exit, text, stderr := o.ctl("cleanup", "--older-than", "24h") // one needs no --yes
		require.Zero(t, exit, stderr)
		require.Regexp(t, `1 +no +no`, text)
		require.Zero(t, o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = 778 AND deleted = 0"))
	})
}

// used makes all logins look used as long ago, those of later rows later.
func (o *operator) used(ago time.Duration) {
	o.t.Helper()
	at := time.Now().Add(-ago).Unix()
	for _, statement := range []string{"UPDATE auth_users SET date_active = ? + id", "UPDATE auths SET date_active = ?"} {
		_, err := o.db.Exec(statement, at)
		require.NoError(o.t, err)
	}
}

// An operator's clean-up keeps to what the configuration says is idle, and to
// the clean-up's lock. It took any time from an hour on, beside the worker's.
func TestAnOperatorsCleanUpEndsNothingInUse(t *testing.T) {
	o := administered(t, "Touch: {DBInterval: 6h}")
	o.login(777, "Pixel 9")
	o.used(5 * time.Hour) // as MySQL has the dates of a login that is used all the time
	live := func() int { return o.count("SELECT COUNT(*) FROM auth_users WHERE deleted = 0") }
	code, out := o.call("POST", "/v1/sessions:cleanup", `{"older_than":"3600s"}`)
	require.Equal(t, 400, code)
	require.Contains(t, out["error"].(map[string]any)["message"], "older_than: must be from 64800 to 315360000 seconds")
	exit, stdout, stderr := o.ctl("cleanup", "--older-than", "1h", "--yes")
	require.Equal(t, 2, exit, stdout)
	require.Contains(t, stderr, "must be from 64800")
	require.Equal(t, 1, live())
	code, out = o.call("GET", "/v1/config", "")
	require.Equal(t, 200, code)
	require.Equal(t, "64800s", out["clean_up"].(map[string]any)["least_older_than"])

	o.used(24 * time.Hour)
	lock, err := o.node.svcCtx.Dao.Lock(t.Context(), "authsession.cleanup")
	require.NoError(t, err)
	code, out = o.call("POST", "/v1/sessions:cleanup", `{"older_than":"64800s"}`)
	require.Equal(t, 409, code, "%v", out)
	require.Equal(t, 1, live())
	lock.Release()
	code, out = o.call("POST", "/v1/sessions:cleanup", `{"older_than":"64800s"}`)
	require.Equal(t, 200, code, "%v", out)
	require.Len(t, out["ended"], 1)
	require.Zero(t, live())
}

// A clean-up that the time for a call ends in the middle says what it did: the
// caller and the audit log were told of nothing.
func TestACleanUpThatRunsOutOfTimeSaysWhatItEnded(t *testing.T) {
	o := administered(t, "Cleanup: {BatchSize: 1}")
	_, first := o.login(777, "Pixel 9")
	key, _ := o.login(778, "Pixel 9")
	o.used(240 * time.Hour)
	tx, err := o.db.Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.Exec("SELECT id FROM auth_users WHERE auth_key_id = ? AND user_id = 778 FOR UPDATE", key)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan lifecycle.CleanedUp, 1)
	failure := errors.New("under way")
	api := lifecycle.Administered{Manager: o.node.svcCtx.Manager, Dao: o.node.svcCtx.Dao, Batch: 1}
	go func() {
		var out lifecycle.CleanedUp
		out, failure = api.CleanUp(ctx, 48*time.Hour, 10, false, sessions.By{Actor: "admin:alice"})
		done <- out
	}()
	testenv.AwaitLockWaits(t, o.db, 1)
	require.ErrorContains(t, failure, "under way")
	cancel()
	require.NoError(t, tx.Commit())
	out := <-done
	require.ErrorIs(t, failure, context.Canceled)
	require.Equal(t, 2, out.Count, "the batch under way is finished")
	require.Equal(t, first, out.Ended[0].Hash)
}

// A database that is away is 503 for the admin API: nothing can be written
// down, so nothing is done.
func TestTheAdminAPIWithoutItsTables(t *testing.T) {
	o := administered(t)
	_, hash := o.login(777, "Pixel 9")
	_, err := o.db.Exec("RENAME TABLE auth_admin_logs TO away")
	require.NoError(t, err)
	code, _ := o.call("DELETE", fmt.Sprintf("/v1/sessions/%d", hash), "")
	require.Equal(t, 503, code)
	require.Equal(t, 1, o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 0"))
}

// go-zero's log of a failed HTTP request would hold its headers.
func TestNoTokenInTheLog(t *testing.T) {
	o := administered(t)
	var log lockedBuffer
	logx.SetLevel(logx.InfoLevel)
	former := logx.Reset()
	logx.SetWriter(logx.NewWriter(&log))
	defer func() {
		logx.Reset()
		logx.SetWriter(former)
		logx.SetLevel(logx.SevereLevel)
	}()
	_, err := o.db.Exec("RENAME TABLE auth_users TO away")
	require.NoError(t, err)
	code, _ := o.call("GET", "/v1/sessions", "")
	require.GreaterOrEqual(t, code, 500)
	exit, _, stderr := o.ctl("list")
	require.Equal(t, 1, exit, stderr)
	text := log.String()
	require.Contains(t, text, "auth_users' doesn't exist", "trouble is in the log")
	require.NotContains(t, text, "eyJ", "a token begins so")
	require.NotContains(t, text, admintest.Secret)
	require.NotContains(t, stderr, "eyJ")
}

// A node stops with calls of the admin API in flight, which are answered.
func TestStoppingAnswersAdminCalls(t *testing.T) {
	o := administered(t)
	_, hash := o.login(777, "Pixel 9")
	tx, err := o.db.Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() }) // else the database cannot be dropped
	_, err = tx.Exec("SELECT id FROM auth_users WHERE user_id = 777 FOR UPDATE")
	require.NoError(t, err)
	var wg sync.WaitGroup
	var code int
	wg.Go(func() { code, _ = o.call("DELETE", fmt.Sprintf("/v1/sessions/%d", hash), "") })
	testenv.AwaitLockWaits(t, o.db, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- o.node.Stop(context.Background()) }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", o.rest)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, 5*time.Second, 5*time.Millisecond, "the port is closed")
	require.NoError(t, tx.Commit())
	wg.Wait()
	require.Equal(t, 204, code)
	require.NoError(t, <-stopped)
}

// What cannot start says which key to change, and leaves nothing behind.
func TestAnAdminAPIThatCannotStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	lone := strconv.Itoa(freeport.Port(t))
	key := admintest.File(t, "secret", []byte(admintest.Secret))
	for block, want := range map[string]string{
		"ListenOn: " + l.Addr().String():                                      "Admin.ListenOn cannot be served (",
		"Rest: {Port: " + port + "}":                                          "Admin.Rest.Port cannot be served (",
		"Rest: {Port: " + port + "}, ListenOn: '" + freeport.Address(t) + "'": "Admin.Rest.Port",
		"Rest: {Port: " + lone + "}, ListenOn: " + l.Addr().String():          "Admin.ListenOn",
	} {
		s := prepared(t, testenv.DSN(t, true), "Admin: {"+block+", Tokens: {HMACKeyFile: "+key+"}}")
		require.ErrorContains(t, s.Start(t.Context()), want)
		require.NoError(t, s.Stop(context.Background()))
	}
}
