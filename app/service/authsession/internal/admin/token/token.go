// Package token makes and checks the bearer tokens of the admin API: signed
// JWTs (RFC 7519) that say who calls (sub), until when (exp) and what for (scope as
// in RFC 8693, or scp: words in a text, or a list of them).
//
// A key is for one algorithm: what a token's own header asks for decides nothing
// but which key (kid) is tried. So neither "none" nor a public key used as an HMAC
// secret gets anywhere.
package token

import (
	"crypto/rand"
	"encoding/json"
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
	Erase  Scope = "sessions:erase"
	Audit  Scope = "audit:read"
	Retry  Scope = "webhooks:retry"
)

// Scopes are all there are.
var Scopes = []Scope{Read, Revoke, Erase, Audit, Retry}

// Listed names them in a sentence.
func Listed() string {
	names := make([]string, len(Scopes))
	for i, s := range Scopes {
		names[i] = string(s)
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

const (
	// Leeway is how much the clocks of who makes and who checks a token may
	// differ.
	Leeway = 30 * time.Second
	// MaxSize bounds a token, in bytes.
	MaxSize = 8 << 10
	// maxName bounds the subject, in bytes: it stands in the audit log.
	maxName = 128
)

// RefusalError is why a token is not accepted: a word for metrics and the audit
// log. It tells nothing of the token.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// The refusals.
const (
	ErrMissing     RefusalError = "token_missing"
	ErrMalformed   RefusalError = "token_malformed"
	ErrAlgorithm   RefusalError = "token_algorithm"
	ErrSignature   RefusalError = "token_signature"
	ErrExpired     RefusalError = "token_expired"
	ErrNoExpiry    RefusalError = "token_without_exp"
	ErrNotYetValid RefusalError = "token_not_yet_valid"
	ErrIssuer      RefusalError = "token_issuer"
	ErrAudience    RefusalError = "token_audience"
	ErrSubject     RefusalError = "token_subject"
	ErrKeyUnknown  RefusalError = "token_key" // its kid names no key
	ErrTooLong     RefusalError = "token_life"
	ErrDenied      RefusalError = "token_denied"
)

// Caller is who a token speaks for.
type Caller struct {
	Name   string
	Scopes []Scope
	Until  time.Time // when the token expires; zero: no token
}

// May reports whether the caller has a scope.
func (c Caller) May(s Scope) bool { return slices.Contains(c.Scopes, s) }

type claims struct {
	jwt.RegisteredClaims
	Scope words `json:"scope,omitempty"`
	Scp   words `json:"scp,omitempty"`
}

// words are a text with words in it, or a list of such texts.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*w = strings.Fields(one)
		return nil
	}
	var many []string
	if err := json.Unmarshal(text, &many); err != nil {
		return err
	}
	*w = nil
	for _, part := range many {
		*w = append(*w, strings.Fields(part)...)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (w words) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(w, " ")) }

// Keys are those that may have signed a token, and the tokens that are refused all
// the same.
type Keys struct {
	// ByID are keys by kid. The one without a name is for tokens whose kid names no
	// other, and for those without a kid.
	ByID   map[string]Key
	Denied Denylist
	// Remote has further keys by kid; nil: there are none. A key of ByID comes first.
	Remote *Remote
}

// Rules are what a token must keep to beside its signature.
type Rules struct {
	Issuer, Audience string        // empty: any, or none
	MaxLife          time.Duration // from iat, or, without one, from now; 0: no bound
}

// Verifier checks tokens. It may be used from any goroutine.
type Verifier struct {
	keys   func() Keys
	rules  Rules
	now    func() time.Time
	parser *jwt.Parser
}

// NewVerifier returns a verifier of tokens that one of the keys of the moment has
// signed.
func NewVerifier(keys func() Keys, rules Rules, now func() time.Time) *Verifier {
	options := []jwt.ParserOption{
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	}
	if rules.Issuer != "" {
		options = append(options, jwt.WithIssuer(rules.Issuer))
	}
	if rules.Audience != "" {
		options = append(options, jwt.WithAudience(rules.Audience))
	}
	return &Verifier{keys: keys, rules: rules, now: now, parser: jwt.NewParser(options...)}
}

// Verify returns who a token speaks for; its error is a Refusal. Unknown
// scopes of the token are passed over.
func (v *Verifier) Verify(raw string) (Caller, error) {
	if raw == "" {
		return Caller{}, ErrMissing
	}
	if len(raw) > MaxSize {
		return Caller{}, ErrMalformed
	}
	var c claims
	keys := v.keys()
	_, err := v.parser.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical { // an extension that must be understood (RFC 7515, 4.1.11)
			return nil, ErrMalformed
		}
		return keys.of(t)
	})
	if err != nil {
		return Caller{}, v.refusal(&c, err)
	}
	switch {
	case v.rules.MaxLife > 0 && c.life(v.now()) > v.rules.MaxLife:
		return Caller{}, ErrTooLong
	case keys.Denied.has(&c):
		return Caller{}, ErrDenied
	}
	if c.Subject == "" || len(c.Subject) > maxName || strings.ContainsFunc(c.Subject, unprintable) {
		return Caller{}, ErrSubject
	}
	caller := Caller{Name: c.Subject, Until: c.ExpiresAt.Time}
	for _, word := range slices.Concat(c.Scope, c.Scp) {
		if s := Scope(word); slices.Contains(Scopes, s) && !caller.May(s) {
			caller.Scopes = append(caller.Scopes, s)
		}
	}
	return caller, nil
}

// of returns what verifies a token.
func (k Keys) of(t *jwt.Token) (any, error) {
	id, _ := t.Header["kid"].(string)
	key, known := k.ByID[id]
	if !known && id != "" && k.Remote != nil {
		key, known = k.Remote.Key(id)
	}
	if !known {
		key, known = k.ByID[""]
	}
	switch {
	case !known:
		return nil, ErrKeyUnknown
	case t.Method.Alg() != key.algorithm:
		return nil, ErrAlgorithm
	}
	return key.verify, nil
}

// life is how long the token was made for.
func (c *claims) life(now time.Time) time.Duration {
	if c.IssuedAt != nil {
		now = c.IssuedAt.Time
	}
	return c.ExpiresAt.Sub(now)
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

func (v *Verifier) refusal(c *claims, err error) RefusalError {
	for _, known := range []struct {
		is  error
		why RefusalError
	}{
		{jwt.ErrTokenMalformed, ErrMalformed},
		{ErrMalformed, ErrMalformed},
		{ErrKeyUnknown, ErrKeyUnknown},
		{ErrAlgorithm, ErrAlgorithm},
		{jwt.ErrTokenUnverifiable, ErrAlgorithm}, // an algorithm that nobody knows
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
	} {
		if errors.Is(err, known.is) {
			return known.why
		}
	}
	switch {
	case !errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return ErrMalformed
	case c.ExpiresAt == nil:
		return ErrNoExpiry
	case c.Issuer == "":
		return ErrIssuer
	default:
		return ErrAudience
	}
}

// MaxTTL is the longest life of a token that Mint makes.
const MaxTTL = 30 * 24 * time.Hour

// Grant is what a token is to say.
type Grant struct {
	Name             string
	Scopes           []Scope
	TTL              time.Duration // above 0, at most MaxTTL
	Issuer, Audience string        // left out when empty
	KeyID            string        // kid; left out when empty
}

// Mint signs a token with an HMAC key. It has a jti of its own, by which it can be
// denied.
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
	scope := make(words, len(g.Scopes))
	for i, s := range g.Scopes {
		if !slices.Contains(Scopes, s) {
			return "", fmt.Errorf("there is no scope %q; there are %s", s, Listed())
		}
		scope[i] = string(s)
	}
	c := claims{Scope: scope, RegisteredClaims: jwt.RegisteredClaims{
		ID:      rand.Text(),
		Subject: g.Name, Issuer: g.Issuer, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(g.TTL)),
	}}
	if g.Audience != "" {
		c.Audience = jwt.ClaimStrings{g.Audience}
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	if g.KeyID != "" {
		t.Header["kid"] = g.KeyID
	}
	return t.SignedString(secret)
}
