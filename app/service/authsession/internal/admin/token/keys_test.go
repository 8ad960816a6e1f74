package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func withKid(t *testing.T, method jwt.SigningMethod, key any, kid string) string {
	made := jwt.NewWithClaims(method, good(nil))
	if kid != "" {
		made.Header["kid"] = kid
	}
	text, err := made.SignedString(key)
	require.NoError(t, err)
	return text
}

// A token is checked by the key that it names; a key that has no name is for all
// others.
func TestATokenNamesItsKey(t *testing.T) {
	old, young := bytes.Repeat([]byte("0123456789abcdef"), 3), bytes.Repeat([]byte("fedcba9876543210"), 3)
	oldKey, err := HMACKey(old)
	require.NoError(t, err)
	youngKey, err := HMACKey(young)
	require.NoError(t, err)
	named := NewVerifier(func() Keys { return Keys{ByID: map[string]Key{"old": oldKey, "young": youngKey}} }, Rules{}, clock)
	mixed := NewVerifier(func() Keys { return Keys{ByID: map[string]Key{"": oldKey, "young": youngKey}} }, Rules{}, clock)
	for name, tc := range map[string]struct {
		v     *Verifier
		token string
		want  error
	}{
		"old":                        {named, withKid(t, jwt.SigningMethodHS256, old, "old"), nil},
		"young":                      {named, withKid(t, jwt.SigningMethodHS256, young, "young"), nil},
		"the other's name":           {named, withKid(t, jwt.SigningMethodHS256, old, "young"), ErrSignature},
		"a name that there is not":   {named, withKid(t, jwt.SigningMethodHS256, old, "x"), ErrKeyUnknown},
		"no name":                    {named, withKid(t, jwt.SigningMethodHS256, old, ""), ErrKeyUnknown},
		"no name, a key without one": {mixed, withKid(t, jwt.SigningMethodHS256, old, ""), nil},
		"an issuer's own name":       {mixed, withKid(t, jwt.SigningMethodHS256, old, "x"), nil},
		"the named key, mixed":       {mixed, withKid(t, jwt.SigningMethodHS256, young, "young"), nil},
		"the unnamed one for it":     {mixed, withKid(t, jwt.SigningMethodHS256, old, "young"), ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.v.Verify(tc.token)
			require.Equal(t, tc.want, err)
		})
	}
	text, err := Mint(youngKey, Grant{Name: "bob", Scopes: []Scope{Read}, TTL: time.Hour, KeyID: "young"}, start)
	require.NoError(t, err)
	_, err = named.Verify(text)
	require.NoError(t, err)
}

func TestKeySets(t *testing.T) {
	text := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := p256.PublicKey.Bytes()
	require.NoError(t, err)
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	set := fmt.Sprintf(`{"keys": [
		{"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": %q, "e": "AQAB"},
		{"kty": "EC", "kid": "e", "crv": "P-256", "x": %q, "y": %q},
		{"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": %q},
		{"kty": "RSA", "kid": "for encryption", "use": "enc", "n": "AQAB", "e": "AQAB"},
		{"kty": "oct", "kid": "secret", "k": "AQAB"},
		{"kty": "EC", "kid": "another curve", "crv": "P-521"}]}`,
		text(rsaKey.N.Bytes()), text(point[1:33]), text(point[33:]), text(edPublic))
	keys, err := JWKS([]byte(set))
	require.NoError(t, err)
	require.Len(t, keys, 3)
	v := NewVerifier(func() Keys { return Keys{ByID: keys} }, Rules{}, clock)
	for kid, tc := range map[string]struct {
		method jwt.SigningMethod
		key    any
	}{"r": {jwt.SigningMethodRS256, rsaKey}, "e": {jwt.SigningMethodES256, p256}, "d": {jwt.SigningMethodEdDSA, edPrivate}} {
		_, err := v.Verify(withKid(t, tc.method, tc.key, kid))
		require.NoError(t, err, kid)
		_, err = v.Verify(withKid(t, jwt.SigningMethodHS256, rsaKey.N.Bytes(), kid))
		require.Equal(t, ErrAlgorithm, err)
	}
	small := text(new(big.Int).Lsh(big.NewInt(1), 1023).Bytes())
	for want, content := range map[string]string{
		"is no JSON Web Key Set":                     "x",
		"holds no key for signatures":                `{"keys": []}`,
		"holds no key for signatures that has a kid": `{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}`,
		"that is RSA of 1024 bits":                   `{"keys": [{"kid": "a", "kty": "RSA", "n": "` + small + `", "e": "AQAB"}]}`,
		"exponent is out of bounds":                  `{"keys": [{"kid": "a", "kty": "RSA", "n": "` + small + `", "e": "AQ"}]}`,
		"a number of it is missing":                  `{"keys": [{"kid": "a", "kty": "RSA", "n": "", "e": "AQAB"}]}`,
		"has not 32 bytes":                           `{"keys": [{"kid": "a", "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}`,
		"that cannot be read":                        `{"keys": [{"kid": "a", "kty": "EC", "crv": "P-256", "x": "` + text(make([]byte, 32)) + `", "y": "` + text(make([]byte, 32)) + `"}]}`,
		"more than 100 keys":                         `{"keys": [` + strings.Repeat(`{},`, 100) + `{}]}`,
	} {
		_, err := JWKS([]byte(content))
		require.ErrorContains(t, err, want)
	}
}

// A token is good for no longer than is configured, however long it was made for.
func TestTheLifeOfATokenIsBounded(t *testing.T) {
	v := NewVerifier(only(hmacKey(t)), Rules{MaxLife: 720 * time.Hour}, clock)
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for name, tc := range map[string]struct {
		changes jwt.MapClaims
		want    error
	}{
		"a month":                            {jwt.MapClaims{"iat": at(0), "exp": at(720 * time.Hour)}, nil},
		"more":                               {jwt.MapClaims{"iat": at(0), "exp": at(721 * time.Hour)}, ErrTooLong},
		"a century, made long ago":           {jwt.MapClaims{"iat": at(-876_000 * time.Hour), "exp": at(time.Hour)}, ErrTooLong},
		"a month, without a word of when":    {jwt.MapClaims{"exp": at(720 * time.Hour)}, nil},
		"a century, without a word of when":  {jwt.MapClaims{"exp": at(876_000 * time.Hour)}, ErrTooLong},
		"a century, by a clock that is fast": {jwt.MapClaims{"iat": at(20 * time.Second), "exp": at(876_000 * time.Hour)}, ErrTooLong},
		"made by a clock that is fast":       {jwt.MapClaims{"iat": at(20 * time.Second), "nbf": at(20 * time.Second)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(sign(t, jwt.SigningMethodHS256, bytes.TrimSpace(secret), good(tc.changes)))
			require.Equal(t, tc.want, err)
		})
	}
}

func TestDeniedTokens(t *testing.T) {
	denied, err := ParseDenylist([]byte("# lost laptops\n\none # of Alice\nsub: mallory\n"))
	require.NoError(t, err)
	k := hmacKey(t)
	v := NewVerifier(func() Keys { return Keys{ByID: map[string]Key{"": k}, Denied: denied} }, Rules{}, clock)
	for name, tc := range map[string]struct {
		changes jwt.MapClaims
		want    error
	}{
		"another":      {jwt.MapClaims{"jti": "two"}, nil},
		"without jti":  {nil, nil},
		"this one":     {jwt.MapClaims{"jti": "one"}, ErrDenied},
		"this subject": {jwt.MapClaims{"sub": "mallory", "jti": "three"}, ErrDenied},
	} {
		_, err := v.Verify(sign(t, jwt.SigningMethodHS256, bytes.TrimSpace(secret), good(tc.changes)))
		require.Equal(t, tc.want, err, name)
	}
	_, err = ParseDenylist([]byte(strings.Repeat("sub:a\n", 10)))
	require.NoError(t, err)
	var many strings.Builder
	for i := range maxDenied + 1 {
		fmt.Fprintln(&many, i)
	}
	_, err = ParseDenylist([]byte(many.String()))
	require.EqualError(t, err, "has too many lines")
}

// Issuers write scopes in several ways.
func TestScopesHaveSeveralForms(t *testing.T) {
	v := NewVerifier(only(hmacKey(t)), Rules{}, clock)
	for name, tc := range map[string]struct {
		changes jwt.MapClaims
		want    []Scope
	}{
		"a list":           {jwt.MapClaims{"scope": []string{"sessions:read", "sessions:revoke"}}, []Scope{Read, Revoke}},
		"scp, a text":      {jwt.MapClaims{"scope": nil, "scp": "sessions:read x"}, []Scope{Read}},
		"scp, a list":      {jwt.MapClaims{"scope": nil, "scp": []string{"sessions:revoke"}}, []Scope{Revoke}},
		"both":             {jwt.MapClaims{"scp": []string{"sessions:revoke"}}, []Scope{Read, Revoke}},
		"neither":          {jwt.MapClaims{"scope": nil}, nil},
		"a text in a list": {jwt.MapClaims{"scope": []string{"sessions:read sessions:revoke"}}, []Scope{Read, Revoke}},
	} {
		caller, err := v.Verify(sign(t, jwt.SigningMethodHS256, bytes.TrimSpace(secret), good(tc.changes)))
		require.NoError(t, err, name)
		require.Equal(t, tc.want, caller.Scopes, name)
	}
	_, err := v.Verify(sign(t, jwt.SigningMethodHS256, bytes.TrimSpace(secret), good(jwt.MapClaims{"scope": 5})))
	require.Equal(t, ErrMalformed, err)
}
