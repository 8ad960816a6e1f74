// Package token makes and checks the bearer tokens of the admin API: signed
// JWTs (RFC 7519) that say who calls (sub), until when (exp) and what for
// (scope, space separated as in RFC 8693).
//
// One algorithm is accepted, that of the configured key: what a token's own
// header asks for decides nothing. So neither "none" nor a public key used as
// an HMAC secret gets anywhere.
package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Scope is a right.
type Scope string

// The scopes. None includes another.
const (
	Read   Scope = "sessions:read"
	Revoke Scope = "sessions:revoke"
)

// Scopes are all there are.
var Scopes = []Scope{Read, Revoke}

const (
	// Leeway is how much the clocks of who makes and who checks a token may
	// differ.
	Leeway = 5 * time.Second
	// MaxSize bounds a token, in bytes.
	MaxSize = 8 << 10
	// maxName bounds the subject, in bytes: it stands in the audit log.
	maxName = 128
)

// Refusal is why a token is not accepted: a word for metrics and the audit
// log. It tells nothing of the token.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// The refusals.
const (
	Missing     Refusal = "token_missing"
	Malformed   Refusal = "token_malformed"
	Algorithm   Refusal = "token_algorithm"
	Signature   Refusal = "token_signature"
	Expired     Refusal = "token_expired"
	NoExpiry    Refusal = "token_without_exp"
	NotYetValid Refusal = "token_not_yet_valid"
	Issuer      Refusal = "token_issuer"
	Audience    Refusal = "token_audience"
	Subject     Refusal = "token_subject"
)

// Caller is who a token speaks for.
type Caller struct {
	Name   string
	Scopes []Scope
}

// May reports whether the caller has a scope.
func (c Caller) May(s Scope) bool { return slices.Contains(c.Scopes, s) }

type claims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
}

// Verifier checks tokens. It may be used from any goroutine.
type Verifier struct {
	key    Key
	parser *jwt.Parser
}

// NewVerifier returns a verifier of tokens that key signed. Where issuer or
// audience is not empty, tokens must name it.
func NewVerifier(key Key, issuer, audience string, now func() time.Time) *Verifier {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{key.algorithm}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	}
	if issuer != "" {
		options = append(options, jwt.WithIssuer(issuer))
	}
	if audience != "" {
		options = append(options, jwt.WithAudience(audience))
	}
	return &Verifier{key: key, parser: jwt.NewParser(options...)}
}

// Verify returns who a token speaks for; its error is a Refusal. Unknown
// scopes of the token are passed over.
func (v *Verifier) Verify(raw string) (Caller, error) {
	if raw == "" {
		return Caller{}, Missing
	}
	if len(raw) > MaxSize {
		return Caller{}, Malformed
	}
	var c claims
	parsed, err := v.parser.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical { // an extension that must be understood (RFC 7515, 4.1.11)
			return nil, Malformed
		}
		return v.key.verify, nil
	})
	if err != nil {
		return Caller{}, v.refusal(parsed, &c, err)
	}
	if c.Subject == "" || len(c.Subject) > maxName || strings.ContainsFunc(c.Subject, unprintable) {
		return Caller{}, Subject
	}
	caller := Caller{Name: c.Subject}
	for _, word := range strings.Fields(c.Scope) {
		if s := Scope(word); slices.Contains(Scopes, s) && !caller.May(s) {
			caller.Scopes = append(caller.Scopes, s)
		}
	}
	return caller, nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

func (v *Verifier) refusal(parsed *jwt.Token, c *claims, err error) Refusal {
	if parsed != nil && parsed.Method != nil && parsed.Method.Alg() != v.key.algorithm {
		return Algorithm
	}
	for _, known := range []struct {
		is  error
		why Refusal
	}{
		{jwt.ErrTokenMalformed, Malformed},
		{Malformed, Malformed},
		{jwt.ErrTokenUnverifiable, Algorithm}, // an algorithm that nobody knows
		{jwt.ErrTokenSignatureInvalid, Signature},
		{jwt.ErrTokenExpired, Expired},
		{jwt.ErrTokenNotValidYet, NotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, NotYetValid},
		{jwt.ErrTokenInvalidIssuer, Issuer},
		{jwt.ErrTokenInvalidAudience, Audience},
	} {
		if errors.Is(err, known.is) {
			return known.why
		}
	}
	switch {
	case !errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return Malformed
	case c.ExpiresAt == nil:
		return NoExpiry
	case c.Issuer == "":
		return Issuer
	default:
		return Audience
	}
}

// MaxTTL is the longest life of a token that Mint makes.
const MaxTTL = 31 * 24 * time.Hour

// Grant is what a token is to say.
type Grant struct {
	Name             string
	Scopes           []Scope
	TTL              time.Duration // above 0, at most MaxTTL
	Issuer, Audience string        // left out when empty
}

// Mint signs a token with an HMAC key.
func Mint(key Key, g Grant, now time.Time) (string, error) {
	secret, symmetric := key.verify.([]byte)
	switch {
	case !symmetric:
		return "", errors.New("tokens are made with an HMAC key; a public key only checks them")
	case g.Name == "" || len(g.Name) > maxName || strings.ContainsFunc(g.Name, unprintable):
		return "", fmt.Errorf("the name must have 1 to %d printable bytes", maxName)
	case g.TTL <= 0 || g.TTL > MaxTTL:
		return "", fmt.Errorf("the time to live must be above 0 and at most %v", MaxTTL)
	case len(g.Scopes) == 0:
		return "", errors.New("a token without a scope is good for nothing")
	}
	words := make([]string, len(g.Scopes))
	for i, s := range g.Scopes {
		if !slices.Contains(Scopes, s) {
			return "", fmt.Errorf("there is no scope %q; there are %s and %s", s, Read, Revoke)
		}
		words[i] = string(s)
	}
	c := claims{Scope: strings.Join(words, " "), RegisteredClaims: jwt.RegisteredClaims{
		Subject: g.Name, Issuer: g.Issuer, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(g.TTL))}}
	if g.Audience != "" {
		c.Audience = jwt.ClaimStrings{g.Audience}
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(secret)
}
