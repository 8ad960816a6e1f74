package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/ctl"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/admin"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// manager is a session manager that keeps its sessions in memory and what it
// was asked for.
type manager struct {
	mu     sync.Mutex
	list   []sessions.Session
	policy logins.Policy
	asked  []any
	by     []sessions.By
	ended  []sessions.Revoked // by clean-ups, and by revocations that fail
	busy   bool               // another clean-up is under way
	pages  int                // that lists have; each has all sessions
	err    error
	panic  bool
}

func (m *manager) ask(what any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, what)
	if m.panic {
		panic("the manager panics")
	}
	return m.err
}

func (m *manager) calls() []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked)
}

// last is what the manager was asked last.
func (m *manager) last() any {
	calls := m.calls()
	if len(calls) == 0 {
		return nil
	}
	return calls[len(calls)-1]
}

func (m *manager) List(_ context.Context, f sessions.Filter, p sessions.Page) ([]sessions.Session, string, error) {
	if err := m.ask([]any{f, p}); err != nil {
		return nil, "", err
	}
	if p.Token != "" && p.Token != "next" {
		return nil, "", sessions.ErrBadToken
	}
	if m.pages--; m.pages > 0 {
		return m.list, "next", nil
	}
	return m.list, "", nil
}

func (m *manager) Get(_ context.Context, hash int64) (sessions.Session, error) {
	if err := m.ask(hash); err != nil {
		return sessions.Session{}, err
	}
	for _, s := range m.list {
		if s.Hash == hash {
			return s, nil
		}
	}
	return sessions.Session{}, sessions.ErrNotFound
}

func (m *manager) GetSelected(ctx context.Context, hash int64, f sessions.Filter) (sessions.Session, error) {
	s, err := m.Get(ctx, hash)
	if err == nil && f.Active != nil && *f.Active != s.Live() {
		return sessions.Session{}, sessions.ErrNotFound
	}
	return s, err
}

func (m *manager) FindByKey(_ context.Context, key int64) (sessions.Session, error) {
	if err := m.ask(key); err != nil {
		return sessions.Session{}, err
	}
	for _, s := range m.list {
		if s.AuthKeyID == key {
			return s, nil
		}
	}
	return sessions.Session{}, sessions.ErrNotFound
}

func (m *manager) FindLast(_ context.Context, f sessions.Filter) (sessions.Session, error) {
	if err := m.ask([]any{"last", f}); err != nil {
		return sessions.Session{}, err
	}
	for _, s := range m.list {
		if s.UserID == f.UserID {
			return s, nil
		}
	}
	return sessions.Session{}, sessions.ErrNotFound
}

func (m *manager) Revoke(_ context.Context, s sessions.Selection, by sessions.By) (ended []sessions.Revoked, err error) {
	if err := m.ask(s); err != nil {
		return m.ended, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by = append(m.by, by)
	known := s.Hash == 0
	for i := range m.list {
		if at := &m.list[i]; s.Hash == at.Hash || s.Hash == 0 && s.UserID == at.UserID {
			known = true
			if at.Live() {
				at.RevokeReason, at.RevokedBy, at.RevokedAt = by.Reason, by.Actor, time.Now()
				ended = append(ended, sessions.Revoked{Session: *at})
			}
		}
	}
	if !known {
		return nil, sessions.ErrNotFound
	}
	return ended, nil
}

func (m *manager) Selected(_ context.Context, s sessions.Selection) (list []sessions.Session, err error) {
	if err := m.ask([]any{"selected", s}); err != nil {
		return nil, err
	}
	for _, at := range m.list {
		if at.Live() && s.UserID == at.UserID {
			list = append(list, at)
		}
	}
	return list, nil
}

func (m *manager) CleanUp(_ context.Context, olderThan time.Duration, limit int, dryRun bool, _ sessions.By) (lifecycle.CleanedUp, error) {
	err := m.ask([]any{olderThan, limit, dryRun})
	if dryRun {
		return lifecycle.CleanedUp{Count: 3, More: true}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return lifecycle.CleanedUp{Count: len(m.ended), Ended: m.ended, More: err != nil, Busy: m.busy}, err
}

func (m *manager) Erase(_ context.Context, userID int64, by sessions.By) (sessions.Erasure, error) {
	err := m.ask([]any{"erase", userID})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by = append(m.by, by)
	return sessions.Erasure{LoggedOut: 1, Sessions: 3, History: 2, Devices: 1}, err
}

func (m *manager) Erasable(_ context.Context, userID int64) (sessions.Erasure, error) {
	return sessions.Erasure{LoggedOut: 4, Sessions: 5}, m.ask([]any{"erasable", userID})
}

func (m *manager) Policy(_ context.Context, userID int64) (logins.Policy, error) {
	return m.policy, m.ask(userID)
}

func (m *manager) SetPolicy(_ context.Context, userID int64, p logins.Policy) error {
	m.policy = p
	return m.ask([]any{userID, p})
}

func (m *manager) ChangePolicy(_ context.Context, userID int64, c sessions.PolicyChange) (logins.Policy, error) {
	if c.TTLDays != nil {
		m.policy.TTLDays = *c.TTLDays
	}
	if c.Strategy != nil {
		m.policy.Strategy = *c.Strategy
	}
	if c.Limit != nil {
		m.policy.Limit = *c.Limit
	}
	return m.policy, m.ask([]any{userID, m.policy})
}

func (m *manager) Statistics(context.Context) (sessions.Statistics, error) {
	return sessions.Statistics{Live: 1 << 60, Ended: 2, ByDeviceType: map[string]int64{"ios": 3}}, m.ask("statistics")
}

func aManager() *manager {
	at := time.Unix(1_700_000_000, 0)
	return &manager{list: []sessions.Session{
		{
			Hash: 1<<62 + 1, UserID: 777, AuthKeyID: -5, DeviceType: "android", DeviceModel: "Pixel \x1b[31m9", AppName: "Telegram Android", AppVersion: "11", APIID: 6,
			Layer: 223, IP: "2001:db8::1", SignedIn: at, LastActive: at.Add(time.Hour), ExpiresAt: at.Add(1000 * time.Hour),
			Addresses: []sessions.Address{{IP: "2001:db8::1", Country: "Berlin\x1b[31m, Germany", Region: "DE", First: at, Last: at.Add(time.Hour)}, {IP: "10.0.0.1", Last: at}},
		},
		{Hash: 2, UserID: 778, AuthKeyID: 6, DeviceType: "web", SignedIn: at, LastActive: at, RevokedAt: at.Add(time.Minute), RevokeReason: logins.ByUser, RevokedBy: "user:778"},
	}}
}

// rows is an audit log in memory.
type rows struct {
	mu      sync.Mutex
	rows    []audit.Entry
	fail    bool
	m       *manager // whose errors reading has, too
	answers map[string]kept
	failAt  int // of the pages that are read, which fails; 0: none
}

func (r *rows) Write(_ context.Context, e audit.Entry) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail {
		return 0, fmt.Errorf("no table")
	}
	r.rows = append(r.rows, e)
	return int64(len(r.rows)), nil
}

func (r *rows) Complete(_ context.Context, id int64, o audit.Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &r.rows[id-1]
	e.Code, e.Affected, e.UserID = o.Code, len(o.Ended), cmp.Or(e.UserID, o.UserID)
	return nil
}

func (r *rows) all() []audit.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}

// api is a served admin API.
type api struct {
	t        *testing.T
	sessions *manager
	db       *sql.DB // of the audit log; nil in memory
	rows     *rows   // likewise; nil in db
	server   *Server
	grpc     string // addresses
	rest     string
	tls      *tls.Config // of clients; nil: plain
	ca       string      // file of the server's authority
}

const plainTokens = "Tokens: {HMACKeyFile: SECRET}"

// serve starts the API on real listeners, with the audit log in MariaDB or
// in memory.
func serve(t *testing.T, inDatabase bool, block string) *api {
	t.Helper()
	a := &api{t: t, sessions: aManager()}
	if inDatabase {
		a.db = testenv.Open(t, testenv.DSN(t, true))
	}
	rest, rpc := freeport.Port(t), freeport.Port(t)
	a.grpc, a.rest = fmt.Sprintf("127.0.0.1:%d", rpc), fmt.Sprintf("127.0.0.1:%d", rest)
	block = strings.ReplaceAll(block, "SECRET", admintest.File(t, "secret", []byte(admintest.Secret)))
	var c config.Config
	require.NoError(t, zconf.LoadFromYamlBytes(fmt.Appendf(nil, `
Name: test.admin
Mode: test
Log: {Level: severe, Stat: false}
ListenOn: 127.0.0.1:1
Mysql: {DSN: "root@tcp(127.0.0.1:1)/none"}
Cache: [{Host: a}]
KV: [{Host: a}]
Admin: {ListenOn: %q, Rest: {Port: %d}, %s}
`, a.grpc, rest, block), &c))
	var err error
	a.server, err = New(c, a.sessions, a.db, time.Now)
	require.NoError(t, err)
	if !inDatabase {
		a.rows = &rows{m: a.sessions}
		a.server.guard.log, a.server.calls.audit, a.server.calls.events = a.rows, a.rows, eventBook{a.sessions}
		a.server.keeper.rows = nil
	}
	require.NoError(t, a.server.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, a.server.Stop(context.Background())) })
	return a
}

// trust makes the clients of a test encrypt, with a certificate of theirs or
// none.
func (a *api) trust(ca string, pair admintest.Pair) {
	a.t.Helper()
	a.ca, a.tls = ca, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	text, err := os.ReadFile(ca)
	require.NoError(a.t, err)
	require.True(a.t, a.tls.RootCAs.AppendCertsFromPEM(text))
	if pair.Cert != "" {
		own, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		require.NoError(a.t, err)
		a.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
}

// client returns a gRPC client and a context with the token, if there is one.
func (a *api) client(bearer string) (context.Context, pb.SessionAdminClient) {
	a.t.Helper()
	transport := insecure.NewCredentials()
	if a.tls != nil {
		transport = credentials.NewTLS(a.tls)
	}
	conn, err := grpc.NewClient(a.grpc, grpc.WithTransportCredentials(transport))
	require.NoError(a.t, err)
	a.t.Cleanup(func() { conn.Close() })
	ctx := a.t.Context()
	if bearer != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer)
	}
	return ctx, pb.NewSessionAdminClient(conn)
}

// call makes a REST call; more are headers, in pairs.
func (a *api) call(verb, path, bearer, body string, more ...string) (*http.Response, string, error) {
	a.t.Helper()
	transport := &http.Transport{TLSClientConfig: a.tls, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	scheme := "http://"
	if a.tls != nil {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(a.t.Context(), verb, scheme+a.rest+path, bytes.NewReader([]byte(body)))
	require.NoError(a.t, err)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(more); i += 2 {
		request.Header.Set(more[i], more[i+1])
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

// must makes a REST call that reaches the server.
func (a *api) must(verb, path, bearer, body string, more ...string) (int, string) {
	a.t.Helper()
	answer, text, err := a.call(verb, path, bearer, body, more...)
	require.NoError(a.t, err)
	return answer.StatusCode, text
}

// ctl runs `authsession ctl` with the token in the environment.
func (a *api) ctl(bearer string, args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	code = ctl.Run(args, func(name string) string {
		return map[string]string{"AUTHSESSION_TOKEN": bearer, "AUTHSESSION_ADMIN": a.grpc}[name]
	}, &out, &errs)
	return code, out.String(), errs.String()
}

// written returns the rows of the audit log in the order of the calls.
func (a *api) written() []audit.Entry {
	a.t.Helper()
	if a.rows != nil {
		return a.rows.all()
	}
	found, err := a.db.Query("SELECT transport, method, caller, client_ip, user_id, hash, request, code, reason, affected, note, ticket FROM auth_admin_logs ORDER BY id")
	require.NoError(a.t, err)
	defer found.Close()
	var all []audit.Entry
	for found.Next() {
		var e audit.Entry
		require.NoError(a.t, found.Scan(&e.Transport, &e.Method, &e.Caller, &e.ClientIP, &e.UserID, &e.Hash, &e.Request, &e.Code, &e.Reason, &e.Affected, &e.Note, &e.Ticket))
		all = append(all, e)
	}
	require.NoError(a.t, found.Err())
	return all
}

func reader(t *testing.T) string  { return admintest.Token(t, "alice", time.Hour, token.Read) }
func revoker(t *testing.T) string { return admintest.Token(t, "bob", time.Hour, token.Revoke) }

func dialed(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}
