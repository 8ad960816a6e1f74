package admin

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
)

// Keys, the list of denied tokens and certificates are replaced while the node
// runs. It had to be started anew, all nodes at once, and all tokens ended.
func TestFilesAreReplacedWithoutARestart(t *testing.T) {
	young := strings.Repeat("fedcba98", 8)
	key := admintest.File(t, "key", []byte(admintest.Secret))
	deny := admintest.File(t, "deny", nil)
	authority := admintest.NewAuthority(t)
	pair := authority.Server(t)
	a := serve(t, false, "RateLimit: {PerSecond: 1000, Burst: 1000}, Refusals: {Burst: 1000}, Tokens: {HMACKeyFile: "+key+", DenyFile: "+deny+"}, TLS: {CertFile: "+pair.Cert+", KeyFile: "+pair.Key+"}")
	a.trust(authority.File, admintest.Pair{})
	with := func(secret, id string) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"jti": id})
	}
	status := func(bearer string) int {
		code, _ := a.must("GET", "/v1/config", bearer, "")
		return code
	}
	becomes := func(want int, bearer string) {
		t.Helper()
		require.Eventually(t, func() bool { return status(bearer) == want }, time.Minute, 50*time.Millisecond)
	}
	replace := func(file, by string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file+".new", []byte(by), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	require.Equal(t, 200, status(with(admintest.Secret, "one")))
	replace(deny, "one\n")
	becomes(401, with(admintest.Secret, "one"))
	require.Equal(t, 200, status(with(admintest.Secret, "two")))

	replace(key, "too short")
	becomes(401, with(young, "two"))
	require.Equal(t, 200, status(with(admintest.Secret, "two")), "a key that is none leaves the former")
	replace(key, young)
	becomes(200, with(young, "two"))
	require.Equal(t, 401, status(with(admintest.Secret, "two")))

	others := admintest.NewAuthority(t)
	another := others.Server(t)
	for _, f := range [][2]string{{another.Cert, pair.Cert}, {another.Key, pair.Key}} {
		content, err := os.ReadFile(f[0])
		require.NoError(t, err)
		replace(f[1], string(content))
	}
	a.trust(others.File, admintest.Pair{})
	require.Eventually(t, func() bool {
		answer, _, err := a.call("GET", "/v1/config", with(young, "two"), "")
		return err == nil && answer.StatusCode == http.StatusOK
	}, 10*time.Second, 50*time.Millisecond, "REST")
	code, _, stderr := a.ctl(with(young, "two"), "config", "--ca", others.File)
	require.Zero(t, code, stderr)
}

// Tokens of an issuer are let in by the keys at its address alone.
func TestTokensByAKeySetAtAURL(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(issuer.Close)
	a := serve(t, false, "Tokens: {JWKSURL: "+issuer.URL+"}")
	made := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": "ops", "scope": "sessions:read", "exp": time.Now().Add(time.Hour).Unix()})
	made.Header["kid"] = "one"
	bearer, err := made.SignedString(private)
	require.NoError(t, err)
	code, _ := a.must("GET", "/v1/config", bearer, "")
	require.Equal(t, 200, code)
	made.Header["kid"] = "two"
	bearer, err = made.SignedString(private)
	require.NoError(t, err)
	code, _ = a.must("GET", "/v1/config", bearer, "")
	require.Equal(t, 401, code)
}
