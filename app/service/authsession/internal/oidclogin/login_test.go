package oidclogin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/oidclogin"
)

const (
	verifier = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
	redirect = "http://127.0.0.1:1/console/"
	nonce    = "n-1"
)

// issuer is an OpenID Connect issuer that knows one code.
type issuer struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	kid    string
	claims jwt.MapClaims // of its next ID token
	status int           // of the token endpoint, 0: it does its work
	secret string        // that it asks of the client
	long   bool          // its discovery document has no end
	broken bool          // it has none, and says much
	asked  atomic.Int32  // for its keys
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t}
	i.rotate("one")
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.long {
			for range 64 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		}
		if i.broken {
			http.Error(w, "stack of hunter2", http.StatusInternalServerError)
			return
		}
		i.reply(w, map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token?key=hunter2", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		encode := base64.RawURLEncoding.EncodeToString
		i.reply(w, map[string]any{"keys": []map[string]any{{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.kid,
			"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if i.status != 0 {
			http.Error(w, "stack of hunter2", i.status)
			return
		}
		_, given, _ := r.BasicAuth()
		if r.FormValue("code") != "good" || r.FormValue("redirect_uri") != redirect || oauth2.S256ChallengeFromVerifier(r.FormValue("code_verifier")) != oauth2.S256ChallengeFromVerifier(verifier) ||
			given != i.secret && r.FormValue("client_secret") != i.secret {
			w.WriteHeader(http.StatusBadRequest)
			i.reply(w, map[string]any{"error": "invalid_grant"})
			return
		}
		made := jwt.NewWithClaims(jwt.SigningMethodRS256, i.claims)
		made.Header["kid"] = i.kid
		text, err := made.SignedString(i.key)
		require.NoError(t, err)
		i.reply(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text})
	})
	i.claims = i.person(nil)
	return i
}

func (i *issuer) reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// rotate gives it a new key under another name.
func (i *issuer) rotate(kid string) {
	var err error
	i.key, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(i.t, err)
	i.kid = kid
}

// person are the claims of somebody who may in, but for what is changed; nil takes a claim away.
func (i *issuer) person(changed map[string]any) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": i.URL, "aud": "console", "sub": "42", "nonce": nonce, "email": "alice@example.org", "email_verified": true,
		"groups": []string{"staff", "ops", "audit"}, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	for name, value := range changed {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// login mints texts that say what was asked for.
func (i *issuer) login(change func(*oidclogin.Settings)) *oidclogin.Login {
	s := oidclogin.Settings{
		Issuer: i.URL, ClientID: "console", Scopes: []string{"email"}, NameClaim: "email", RolesClaim: "groups",
		Grants: map[string][]token.Scope{"ops": {token.Revoke, token.Read}, "audit": {token.Read}},
	}
	if change != nil {
		change(&s)
	}
	return oidclogin.New(s, func(name string, scopes []token.Scope) (string, error) { return fmt.Sprint(name, scopes), nil }, time.Now)
}

func good() oidclogin.Answer {
	return oidclogin.Answer{Code: "good", Verifier: verifier, Nonce: nonce, RedirectURI: redirect}
}

func TestSignIn(t *testing.T) {
	i := newIssuer(t)
	l := i.login(nil)
	way, err := l.Way(t.Context())
	require.NoError(t, err)
	require.Equal(t, oidclogin.Way{AuthorizationEndpoint: i.URL + "/authorize", ClientID: "console", Scope: "openid email"}, way)
	p, err := l.Finish(t.Context(), good())
	require.NoError(t, err)
	require.Equal(t, oidclogin.Person{Name: "alice@example.org", Token: "alice@example.org[sessions:read sessions:revoke]"}, p)
}

// Who is not let in gets no token, for a reason that has a name.
func TestRefusals(t *testing.T) {
	i := newIssuer(t)
	l := i.login(nil)
	for _, c := range []struct {
		name   string
		claims map[string]any
		answer func(*oidclogin.Answer)
		want   oidclogin.RefusalError
	}{
		{name: "no code", answer: func(a *oidclogin.Answer) { a.Code = "" }, want: oidclogin.ErrBadRequest},
		{name: "no verifier", answer: func(a *oidclogin.Answer) { a.Verifier = "" }, want: oidclogin.ErrBadRequest},
		{name: "a verifier that can be guessed", answer: func(a *oidclogin.Answer) { a.Verifier = "short" }, want: oidclogin.ErrBadRequest},
		{name: "no nonce", answer: func(a *oidclogin.Answer) { a.Nonce = "" }, want: oidclogin.ErrBadRequest},
		{name: "another code", answer: func(a *oidclogin.Answer) { a.Code = "bad" }, want: oidclogin.ErrBadCode},
		{name: "a code of somebody else's tab", answer: func(a *oidclogin.Answer) { a.Verifier = strings.Repeat("x", 43) }, want: oidclogin.ErrBadCode},
		{name: "another place to come back to", answer: func(a *oidclogin.Answer) { a.RedirectURI = "http://evil.example/" }, want: oidclogin.ErrBadCode},
		{name: "an ID token of another sign-in", answer: func(a *oidclogin.Answer) { a.Nonce = "n-2" }, want: oidclogin.ErrBadIDToken},
		{name: "an ID token for another client", claims: map[string]any{"aud": "other"}, want: oidclogin.ErrBadIDToken},
		{name: "an ID token of another issuer", claims: map[string]any{"iss": "https://evil.example"}, want: oidclogin.ErrBadIDToken},
		{name: "an ID token that has expired", claims: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, want: oidclogin.ErrBadIDToken},
		{name: "no address", claims: map[string]any{"email": nil}, want: oidclogin.ErrNoName},
		{name: "an address that nobody has verified", claims: map[string]any{"email_verified": false}, want: oidclogin.ErrNoName},
		{name: "an address of which that is not said", claims: map[string]any{"email_verified": nil}, want: oidclogin.ErrNoName},
		{name: "no role", claims: map[string]any{"groups": nil}, want: oidclogin.ErrNoGrant},
		{name: "a role that grants nothing", claims: map[string]any{"groups": []string{"staff"}}, want: oidclogin.ErrNoGrant},
		{name: "roles that are no texts", claims: map[string]any{"groups": []any{1, map[string]any{"ops": true}}}, want: oidclogin.ErrNoGrant},
	} {
		i.claims = i.person(c.claims)
		a := good()
		if c.answer != nil {
			c.answer(&a)
		}
		p, err := l.Finish(t.Context(), a)
		require.ErrorIs(t, err, c.want, c.name)
		require.Empty(t, p.Token, c.name)
	}
	i.claims = i.person(map[string]any{"groups": "ops"}) // one role, not in a list
	_, err := l.Finish(t.Context(), good())
	require.NoError(t, err)
}

// The issuer's keys change while the service runs.
func TestKeysRotate(t *testing.T) {
	i := newIssuer(t)
	l := i.login(nil)
	for range 3 {
		_, err := l.Finish(t.Context(), good())
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, i.asked.Load(), "it asks for keys that it has")
	i.rotate("two")
	_, err := l.Finish(t.Context(), good())
	require.NoError(t, err)
	require.EqualValues(t, 2, i.asked.Load())
}

// A client with a secret shows it; the file is read each time.
func TestSecret(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "secret")
	l := i.login(func(s *oidclogin.Settings) { s.ClientSecretFile = file })
	_, err := l.Finish(t.Context(), good())
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, secret := range []string{"first", "second"} {
		i.secret = secret
		require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
		_, err = l.Finish(t.Context(), good())
		require.NoError(t, err)
	}
	i.secret = "third"
	_, err = l.Finish(t.Context(), good())
	require.ErrorIs(t, err, oidclogin.ErrBadCode)
	l = i.login(func(s *oidclogin.Settings) { s.ClientSecretFile = "/dev/zero" }) // never ends
	_, err = l.Finish(t.Context(), good())
	require.ErrorContains(t, err, "/dev/zero holds more than")
}

// An issuer that cannot be used is nobody's refusal, and comes back.
func TestIssuerIsAway(t *testing.T) {
	i := newIssuer(t)
	i.long = true
	l := i.login(nil)
	var why oidclogin.RefusalError
	_, err := l.Way(t.Context())
	require.Error(t, err)
	_, err = l.Finish(t.Context(), good())
	require.Error(t, err)
	require.NotErrorAs(t, err, &why)
	i.long, i.status = false, http.StatusBadGateway
	_, err = l.Finish(t.Context(), good())
	require.Error(t, err)
	require.NotErrorAs(t, err, &why)
	i.status = 0
	_, err = l.Finish(t.Context(), good())
	require.NoError(t, err)
}

// What the addresses of an issuer hold beside its place is nothing for the log that the
// error goes to.
func TestErrorsDoNotShowTheURLsOfAnIssuer(t *testing.T) {
	i := newIssuer(t)
	l := i.login(nil)
	_, err := l.Way(t.Context()) // its endpoints are known from now on
	require.NoError(t, err)
	i.Close()
	_, err = l.Finish(t.Context(), good())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotContains(t, err.Error(), "hunter2")
	l = i.login(func(s *oidclogin.Settings) { s.Issuer += "/?key=hunter2" })
	_, err = l.Way(t.Context())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NotContains(t, err.Error(), "hunter2")
}

// What an issuer says where it fails may be a page of its insides, or what it was sent.
func TestErrorsDoNotShowWhatTheIssuerSays(t *testing.T) {
	i := newIssuer(t)
	l := i.login(nil)
	i.broken = true
	_, err := l.Way(t.Context())
	require.ErrorContains(t, err, "500")
	require.NotContains(t, err.Error(), "hunter2")
	i.broken, i.status = false, http.StatusBadGateway
	_, err = l.Finish(t.Context(), good())
	require.ErrorContains(t, err, "502")
	require.NotContains(t, err.Error(), "hunter2")
}
