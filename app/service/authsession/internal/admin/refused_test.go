package admin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

func signed(t *testing.T, method jwt.SigningMethod, key any, changes jwt.MapClaims) string {
	c := jwt.MapClaims{"sub": "mallory", "exp": time.Now().Add(time.Hour).Unix(), "scope": "sessions:read sessions:revoke"}
	for name, value := range changes {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	text, err := jwt.NewWithClaims(method, c).SignedString(key)
	require.NoError(t, err)
	return text
}

// refusedOnAllWays asks for a change over REST, gRPC and ctl, and holds the
// answers and the rows of the audit log against what is wanted.
func (a *api) refusedOnAllWays(bearer string, code codes.Code, want audit.Entry) {
	a.t.Helper()
	before := len(a.written())
	answer, text, err := a.call("DELETE", "/v1/sessions/4611686018427387905", bearer, "")
	require.NoError(a.t, err)
	require.Equal(a.t, rpcerr.AnswerTo(code).HTTP, answer.StatusCode, text)
	require.Contains(a.t, text, `{"error":{"code":"`+rpcerr.AnswerTo(code).Name+`","message":"`)
	require.NotEmpty(a.t, answer.Header.Get("WWW-Authenticate"))

	ctx, client := a.client(bearer)
	_, err = client.RevokeSession(ctx, &pb.RevokeSessionRequest{Hash: 1<<62 + 1})
	require.Equal(a.t, code, status.Code(err), "%v", err)

	exit, stdout, stderr := a.ctl(bearer, "revoke", "4611686018427387905")
	require.Equal(a.t, 3, exit, stderr)
	require.Empty(a.t, stdout)
	require.Contains(a.t, stderr, code.String())

	require.Empty(a.t, a.sessions.calls(), "nothing was asked of the manager")
	written := a.written()[before:]
	require.Len(a.t, written, 3)
	for i, transport := range []string{"rest", "grpc", "grpc"} {
		want := want
		want.Transport, want.Method, want.ClientIP, want.Code = transport, "RevokeSession", "127.0.0.1", rpcerr.AnswerTo(code).Name
		require.Equal(a.t, want, written[i])
		if bearer != "" && len(bearer) > 8 {
			require.NotContains(a.t, strings.Join([]string{written[i].Request, written[i].Caller, written[i].Reason}, " "), bearer[len(bearer)-8:])
		}
	}
}

// Whoever may not is refused, on each of the three ways, and written down in
// the database.
func TestBadTokensAreRefusedAndWrittenDown(t *testing.T) {
	a := serve(t, true, plainTokens+", RateLimit: {PerSecond: 1000, Burst: 1000}, Refusals: {Burst: 100}")
	secret := []byte(admintest.Secret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		token  string
		reason token.RefusalError
	}{
		"missing":          {"", token.ErrMissing},
		"rubbish":          {"rubbish", token.ErrMalformed},
		"wrong secret":     {signed(t, jwt.SigningMethodHS256, []byte(strings.Repeat("wrong!", 8)), nil), token.ErrSignature},
		"expired":          {signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), token.ErrExpired},
		"not yet valid":    {signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"nbf": time.Now().Add(time.Minute).Unix()}), token.ErrNotYetValid},
		"without exp":      {signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": nil}), token.ErrNoExpiry},
		"none":             {signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil), token.ErrAlgorithm},
		"HS512":            {signed(t, jwt.SigningMethodHS512, secret, nil), token.ErrAlgorithm},
		"RS256":            {signed(t, jwt.SigningMethodRS256, rsaKey, nil), token.ErrAlgorithm},
		"without subject":  {signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"sub": ""}), token.ErrSubject},
		"longer than 8 KB": {signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"x": strings.Repeat("x", 9000)}), token.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			a := *a
			a.t = t
			a.refusedOnAllWays(tc.token, codes.Unauthenticated, audit.Entry{Reason: string(tc.reason)})
		})
	}
	t.Run("narrower scope", func(t *testing.T) {
		a := *a
		a.t = t
		a.refusedOnAllWays(reader(t), codes.PermissionDenied, audit.Entry{Caller: "alice", Reason: "scope"})
	})
	t.Run("no scope", func(t *testing.T) {
		a := *a
		a.t = t
		a.refusedOnAllWays(signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"scope": ""}), codes.PermissionDenied, audit.Entry{Caller: "mallory", Reason: "scope"})
	})
}

// A public key as the secret of an HMAC, where tokens are RS256.
func TestThePublicKeyIsNoSecret(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	a := serve(t, true, "Tokens: {PublicKeyFile: "+admintest.File(t, "public.pem", public)+", Issuer: us, Audience: here}")
	ours := jwt.MapClaims{"iss": "us", "aud": "here"}

	code, text := a.must("GET", "/v1/statistics", signed(t, jwt.SigningMethodRS256, rsaKey, ours), "")
	require.Equal(t, 200, code, text)
	a.sessions.asked = nil
	a.refusedOnAllWays(signed(t, jwt.SigningMethodHS256, public, ours), codes.Unauthenticated, audit.Entry{Reason: "token_algorithm"})
	a.refusedOnAllWays(signed(t, jwt.SigningMethodRS256, rsaKey, jwt.MapClaims{"iss": "them", "aud": "here"}), codes.Unauthenticated, audit.Entry{Reason: "token_issuer"})
	a.refusedOnAllWays(signed(t, jwt.SigningMethodRS256, rsaKey, jwt.MapClaims{"iss": "us", "aud": "there"}), codes.Unauthenticated, audit.Entry{Reason: "token_audience"})
}

// bodies are such that calls take.
var bodies = map[string]string{
	"CleanUp": `{"older_than":"7200s"}`, "SetPolicy": "{}", "ChangePolicy": `{"limit":1}`,
	"RevokeMatching": `{"match":{"api_ids":[6]}}`, "RetryDeadLetters": `{"all":true}`, "PurgeDeadLetters": `{"all":true}`,
}

// aPath is a path of a route that calls take.
func aPath(r route) string {
	return strings.NewReplacer(":hash", "4611686018427387905", ":user_id", "777", ":auth_key_id", "-5", ":id", "1", ":webhook", "billing").Replace(r.path)
}

// withExport are all routes, the export among them.
func withExport() []route {
	return append(slices.Clone(routes), route{verb: "GET", path: exportPath + "?format=csv", method: "ExportAudit"})
}

// Every method needs its scope, and no other; WhoAmI needs none.
func TestEveryMethodNeedsItsScope(t *testing.T) {
	a := serve(t, false, manyCalls)
	for _, r := range withExport() {
		path, body, scope := aPath(r), bodies[r.method], methods[r.method].scope
		wrong := admintest.Token(t, "wrong", time.Hour, slices.DeleteFunc(slices.Clone(token.Scopes), func(s token.Scope) bool { return s == scope })...)
		if scope == "" {
			require.Equal(t, "WhoAmI", r.method)
		} else {
			code, text := a.must(r.verb, path, wrong, body)
			require.Equal(t, 403, code, "%s %s: %s", r.verb, path, text)
			wrong = admintest.Token(t, "right", time.Hour, scope)
		}
		code, text := a.must(r.verb, path, wrong, body)
		require.Less(t, code, 300, "%s %s: %s", r.verb, path, text)
	}
	require.Len(t, methods, len(pb.SessionAdmin_ServiceDesc.Methods)+1, "and the export of REST")
	for _, m := range pb.SessionAdmin_ServiceDesc.Methods {
		require.Contains(t, methods, m.MethodName)
	}
}

// Every call refuses whoever has no credentials or bad ones, on both transports, and
// does nothing.
func TestEveryCallRefusesBadCredentials(t *testing.T) {
	a := serve(t, false, manyCalls)
	secret := []byte(admintest.Secret)
	for name, bearer := range map[string]string{
		"none":    "",
		"expired": signed(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}),
		"wrong":   signed(t, jwt.SigningMethodHS256, []byte(strings.Repeat("wrong!", 8)), nil),
	} {
		for _, r := range withExport() {
			code, text := a.must(r.verb, aPath(r), bearer, bodies[r.method], "Idempotency-Key", "k")
			require.Equal(t, 401, code, "%s: %s %s: %s", name, r.verb, r.path, text)
		}
		conn := dialed(t, a.grpc)
		ctx := t.Context()
		if bearer != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer)
		}
		for _, m := range pb.SessionAdmin_ServiceDesc.Methods {
			err := conn.Invoke(ctx, "/"+pb.SessionAdmin_ServiceDesc.ServiceName+"/"+m.MethodName, &pb.WhoAmIRequest{}, &pb.Identity{})
			require.Equal(t, codes.Unauthenticated, status.Code(err), "%s: %s: %v", name, m.MethodName, err)
		}
	}
	require.Empty(t, a.sessions.calls())
}

// The header has one form.
func TestTheHeaderIsRead(t *testing.T) {
	a := serve(t, false, plainTokens)
	good := reader(t)
	for header, want := range map[string]int{
		"Bearer " + good:             200,
		"bearer " + good:             200,
		"Bearer   " + good:           200,
		good:                         401,
		"Basic " + good:              401,
		"Bearer":                     401,
		"Bearer " + good + " " + "x": 401,
	} {
		code, text := a.must("GET", "/v1/config", "", "", "Authorization", header)
		require.Equal(t, want, code, "%s: %s", header[:6], text)
	}
}
