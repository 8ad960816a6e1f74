package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

var (
	start  = time.Unix(1_800_000_000, 0)
	secret = []byte("a secret that is long enough for HS256 ")
)

// only is a set with one key.
func only(k Key) func() Keys { return func() Keys { return Keys{ByID: map[string]Key{"": k}} } }

func clock() time.Time { return start }

func hmacKey(t testing.TB) Key {
	k, err := HMACKey(secret)
	require.NoError(t, err)
	return k
}

func publicPEM(t testing.TB, public any) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// sign makes whatever token a test wants.
func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	text, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return text
}

// good are the claims of a token that is accepted, with changes.
func good(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "alice", "exp": start.Add(time.Hour).Unix(), "scope": "sessions:read", "iss": "us", "aud": "here"}
	for name, value := range changes {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

func TestVerify(t *testing.T) {
	v := NewVerifier(only(hmacKey(t)), Rules{Issuer: "us", Audience: "here"}, clock)
	trimmed := bytes.TrimSpace(secret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	hs := func(changes jwt.MapClaims) string {
		return sign(t, jwt.SigningMethodHS256, trimmed, good(changes))
	}
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, good(nil))
	critical.Header["crit"] = []string{"b64"}
	withCrit, err := critical.SignedString(trimmed)
	require.NoError(t, err)
	strange := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"XS256"}`)) + strings.TrimPrefix(hs(nil), strings.Split(hs(nil), ".")[0])

	for name, tc := range map[string]struct {
		token string
		want  error
	}{
		"good":                          {hs(nil), nil},
		"audience among several":        {hs(jwt.MapClaims{"aud": []string{"there", "here"}}), nil},
		"expired within the leeway":     {hs(jwt.MapClaims{"exp": at(-29 * time.Second)}), nil},
		"expired":                       {hs(jwt.MapClaims{"exp": at(-31 * time.Second)}), ErrExpired},
		"without exp":                   {hs(jwt.MapClaims{"exp": nil}), ErrNoExpiry},
		"exp is text":                   {hs(jwt.MapClaims{"exp": "tomorrow"}), ErrMalformed},
		"not yet valid":                 {hs(jwt.MapClaims{"nbf": at(time.Minute)}), ErrNotYetValid},
		"made in the future":            {hs(jwt.MapClaims{"iat": at(time.Minute)}), ErrNotYetValid},
		"another issuer":                {hs(jwt.MapClaims{"iss": "them"}), ErrIssuer},
		"no issuer":                     {hs(jwt.MapClaims{"iss": nil}), ErrIssuer},
		"another audience":              {hs(jwt.MapClaims{"aud": "there"}), ErrAudience},
		"no audience":                   {hs(jwt.MapClaims{"aud": nil}), ErrAudience},
		"no subject":                    {hs(jwt.MapClaims{"sub": nil}), ErrSubject},
		"a subject of several lines":    {hs(jwt.MapClaims{"sub": "a\nb"}), ErrSubject},
		"a subject that is too long":    {hs(jwt.MapClaims{"sub": strings.Repeat("a", 129)}), ErrSubject},
		"another secret":                {sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good(nil)), ErrSignature},
		"signature cut":                 {hs(nil)[:len(hs(nil))-3], ErrSignature},
		"none":                          {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(nil)), ErrAlgorithm},
		"HS384 with the right secret":   {sign(t, jwt.SigningMethodHS384, trimmed, good(nil)), ErrAlgorithm},
		"RS256":                         {sign(t, jwt.SigningMethodRS256, rsaKey, good(nil)), ErrAlgorithm},
		"an algorithm that is none":     {strange, ErrAlgorithm},
		"a critical extension":          {withCrit, ErrMalformed},
		"nothing":                       {"", ErrMissing},
		"rubbish":                       {"rubbish", ErrMalformed},
		"rubbish in three parts":        {"a.b.c", ErrMalformed},
		"longer than any token":         {strings.Repeat("a", MaxSize+1), ErrMalformed},
		"padded base64":                 {strings.Replace(hs(nil), ".", "=.", 1), ErrMalformed},
		"a JSON Web Encryption's parts": {"a.b.c.d.e", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			caller, err := v.Verify(tc.token)
			if tc.want != nil {
				require.Equal(t, tc.want, err)
				require.Zero(t, caller)
				return
			}
			require.NoError(t, err)
			require.False(t, caller.Until.IsZero())
			caller.Until = time.Time{}
			require.Equal(t, Caller{Name: "alice", Scopes: []Scope{Read}}, caller)
		})
	}
}

// The classic attack: a public key is known to all, so it must not do as the
// secret of an HMAC.
func TestAPublicKeyIsNoSecret(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	file := publicPEM(t, &rsaKey.PublicKey)
	k, err := PublicKey(file)
	require.NoError(t, err)
	v := NewVerifier(only(k), Rules{}, clock)
	caller, err := v.Verify(sign(t, jwt.SigningMethodRS256, rsaKey, good(nil)))
	require.NoError(t, err)
	require.Equal(t, "alice", caller.Name)
	for _, secret := range [][]byte{file, bytes.TrimSpace(file), x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)} {
		_, err := v.Verify(sign(t, jwt.SigningMethodHS256, secret, good(nil)))
		require.Equal(t, ErrAlgorithm, err)
	}
	_, err = HMACKey(file)
	require.ErrorContains(t, err, "is a PEM file")
	_, err = Mint(k, Grant{Name: "a", Scopes: []Scope{Read}, TTL: time.Hour}, start)
	require.ErrorContains(t, err, "HMAC key")
}

func TestPublicKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for algorithm, tc := range map[string]struct {
		file   []byte
		method jwt.SigningMethod
		sign   any
	}{
		"RS256": {publicPEM(t, &rsaKey.PublicKey), jwt.SigningMethodRS256, rsaKey},
		"ES256": {publicPEM(t, &p256.PublicKey), jwt.SigningMethodES256, p256},
		"EdDSA": {publicPEM(t, edPublic), jwt.SigningMethodEdDSA, edPrivate},
	} {
		k, err := PublicKey(tc.file)
		require.NoError(t, err)
		require.Equal(t, algorithm, k.Algorithm())
		_, err = NewVerifier(only(k), Rules{}, clock).Verify(sign(t, tc.method, tc.sign, good(nil)))
		require.NoError(t, err, algorithm)
		_, err = NewVerifier(only(k), Rules{}, clock).Verify(sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(nil)))
		require.Equal(t, ErrAlgorithm, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(p256)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for want, file := range map[string][]byte{
		"is not PEM":                              []byte("none"),
		"neither RSA, P-256 nor Ed25519":          publicPEM(t, &p384.PublicKey),
		"holds a PRIVATE KEY, not a public key":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"holds no public key that can be read":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"is RSA of 1024 bits, fewer than 2048":    publicPEM(t, &small.PublicKey),
		"holds no public key that can be read: x": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
	} {
		_, err := PublicKey(file)
		require.ErrorContains(t, err, want)
	}
}

func TestWeakSecretsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "holds 0 bytes, fewer than 32",
		strings.Repeat("ab", 15):   "holds 30 bytes",
		strings.Repeat("0", 64):    "hardly any different bytes",
		"  " + "short" + "     \n": "holds 5 bytes",
	} {
		_, err := HMACKey([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

func TestMintedTokensVerify(t *testing.T) {
	k := hmacKey(t)
	text, err := Mint(k, Grant{Name: "bob", Scopes: []Scope{Revoke, Read}, TTL: time.Hour, Issuer: "us", Audience: "here"}, start)
	require.NoError(t, err)
	caller, err := NewVerifier(only(k), Rules{Issuer: "us", Audience: "here"}, clock).Verify(text)
	require.NoError(t, err)
	require.Equal(t, "bob", caller.Name)
	require.True(t, caller.May(Read) && caller.May(Revoke))
	for want, g := range map[string]Grant{
		"the name must have":    {Scopes: []Scope{Read}, TTL: time.Hour},
		"the time to live must": {Name: "a", Scopes: []Scope{Read}},
		"at most 720h":          {Name: "a", Scopes: []Scope{Read}, TTL: MaxTTL + 1},
		"without a scope":       {Name: "a", TTL: time.Hour},
		"there is no scope":     {Name: "a", TTL: time.Hour, Scopes: []Scope{"sessions:*"}},
	} {
		_, err := Mint(k, g, start)
		require.ErrorContains(t, err, want)
	}
}

func TestScopesAreExact(t *testing.T) {
	v := NewVerifier(only(hmacKey(t)), Rules{}, clock)
	for scope, want := range map[string][]Scope{
		"":                              nil,
		"sessions":                      nil,
		"sessions:*":                    nil,
		"SESSIONS:READ":                 nil,
		"sessions:reader":               nil,
		"sessions:read,sessions:revoke": nil,
		"sessions:revoke":               {Revoke},
		"x  sessions:read sessions:read\tsessions:revoke": {Read, Revoke},
	} {
		caller, err := v.Verify(sign(t, jwt.SigningMethodHS256, bytes.TrimSpace(secret), good(jwt.MapClaims{"scope": scope})))
		require.NoError(t, err)
		require.Equal(t, want, caller.Scopes, "%q", scope)
	}
}

// A key does not show itself in a log.
func TestKeysArePrintedAsWhatTheyAre(t *testing.T) {
	k := hmacKey(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		text := fmt.Sprintf(format, k) + fmt.Sprintf(format, &k)
		require.NotContains(t, text, "secret")
		require.NotContains(t, text, fmt.Sprintf("%x", secret[:8]))
		require.NotContains(t, text, fmt.Sprintf("%d", secret[:4])[1:10])
	}
}

func FuzzVerify(f *testing.F) {
	k := hmacKey(f)
	v := NewVerifier(only(k), Rules{}, clock)
	text, err := Mint(k, Grant{Name: "bob", Scopes: []Scope{Read}, TTL: time.Hour}, start)
	require.NoError(f, err)
	signed := map[string]bool{text: true}
	f.Add(text)
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		caller, err := v.Verify(raw)
		if err == nil && !signed[raw] {
			t.Fatalf("a token that nobody signed is taken: %q speaks for %q", raw, caller.Name)
		}
		if err != nil && !errors.As(err, new(RefusalError)) {
			t.Fatalf("%v is no refusal", err)
		}
	})
}
