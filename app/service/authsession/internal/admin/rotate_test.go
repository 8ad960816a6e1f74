package admin

import (
	"net/http"
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
