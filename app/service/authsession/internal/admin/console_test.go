package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/oidclogin"
)

// get asks for a path without credentials.
func (a *api) get(verb, path, body string) *http.Response {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), verb, "http://"+a.rest+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	require.NoError(a.t, err)
	a.t.Cleanup(func() { w.Body.Close() })
	return w
}

// The console is served beside the API to anybody, as the files that it is; what it shows
// is the API's to give. Nothing of that is a call that somebody made.
func TestConsoleIsServed(t *testing.T) {
	a := serve(t, false, manyCalls)
	w := a.get("GET", "/console/", "")
	require.Equal(t, http.StatusOK, w.StatusCode)
	require.Contains(t, w.Header.Get("Content-Security-Policy"), "default-src 'none'")
	page, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NotContains(t, string(page), "single-sign-on")
	require.Equal(t, http.StatusPermanentRedirect, a.get("GET", "/console", "").StatusCode)
	require.Equal(t, http.StatusMethodNotAllowed, a.get("POST", "/console/", "{}").StatusCode)
	require.Equal(t, http.StatusNotFound, a.get("GET", "/console/oidc", "").StatusCode, "there is no issuer")
	require.Equal(t, http.StatusUnauthorized, a.get("GET", "/v1/sessions", "").StatusCode)
	require.Len(t, a.rows.all(), 1)
}

// An issuer is named, and is away: the page offers it, answers say that it cannot be used,
// what is no sign-in is refused and written down, and who comes too often waits.
func TestSignInWithoutTheIssuer(t *testing.T) {
	a := serve(t, false, plainTokens+`, RateLimit: {PerSecond: 0.01, Burst: 5}, OIDC: {Issuer: "http://127.0.0.1:1", ClientID: console, Grants: {ops: [sessions:read]}}`)
	page, err := io.ReadAll(a.get("GET", "/console/", "").Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "data-single-sign-on")
	for _, c := range []struct {
		verb, body string
		code       int
	}{
		{"PUT", "{}", http.StatusMethodNotAllowed},
		{"GET", "", http.StatusServiceUnavailable},
		{"POST", "{", http.StatusUnauthorized},
		{"POST", `{"code":"c","verifier":"short","nonce":"n","redirect_uri":"r"}`, http.StatusUnauthorized},
		{"POST", `{"code":"c","verifier":"` + strings.Repeat("v", 43) + `","nonce":"n","redirect_uri":"r"}`, http.StatusServiceUnavailable},
		{"POST", "{}", http.StatusTooManyRequests},
	} {
		w := a.get(c.verb, "/console/oidc", c.body)
		require.Equal(t, c.code, w.StatusCode, "%s %s", c.verb, c.body)
		require.Equal(t, "no-store", w.Header.Get("Cache-Control"))
		require.Equal(t, "application/json", w.Header.Get("Content-Type"))
	}
	rows := a.rows.all()
	require.Len(t, rows, 2)
	for _, row := range rows {
		require.Equal(t, "SignIn", row.Method)
		require.Equal(t, "UNAUTHENTICATED", row.Code)
		require.Equal(t, string(oidclogin.ErrBadRequest), row.Reason)
		require.Empty(t, row.Request, "codes stay out of the log")
	}
}

// What a sign-in is given is a token like any other: good for what was granted, and no
// longer than all tokens may be.
func TestTokensOfSignIns(t *testing.T) {
	a := serve(t, false, `Tokens: {HMACKeyFile: SECRET, Issuer: us, Audience: api, MaxLife: 2h}, OIDC: {Issuer: "http://127.0.0.1:1", ClientID: console, Life: 8h, Grants: {ops: [sessions:read]}}`)
	key, err := token.HMACKey([]byte(admintest.Secret))
	require.NoError(t, err)
	made, err := a.server.guard.minter(a.server.conf, func() token.Keys { return token.Keys{ByID: map[string]token.Key{"": key}} })("alice@example.org", []token.Scope{token.Read})
	require.NoError(t, err)
	code, text := a.must("GET", "/v1/sessions", made, "")
	require.Equal(t, http.StatusOK, code, text)
	code, _ = a.must("DELETE", "/v1/users/777/sessions", made, "")
	require.Equal(t, http.StatusForbidden, code)
	require.Equal(t, "alice@example.org", a.rows.all()[0].Caller)

	code, text = a.must("GET", "/v1/whoami", made, "")
	require.Equal(t, http.StatusOK, code, text)
	var me struct {
		Expires time.Time `json:"expires_at"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &me))
	require.LessOrEqual(t, time.Until(me.Expires), 2*time.Hour)
}
