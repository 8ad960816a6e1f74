// Package oidclogin turns a sign-in at an OpenID Connect issuer into a token of the
// admin API, for the session console.
//
// It is the code flow with PKCE (RFC 7636). The browser goes to the issuer and comes
// back with a code; the console sends it here with the verifier that only its tab knows;
// this package exchanges both for an ID token, checks that, and has a token made which
// says who it is and what they may do. So the browser talks to no other host but by
// going there, and the issuer's own tokens never get into the page.
package oidclogin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/httperr"
)

const (
	answerTime = 5 * time.Second // for one answer of the issuer
	maxAnswer  = 1 << 20         // bytes of one
	// lookAgain is how long what the issuer says of itself is believed. Its keys are
	// looked up sooner, when an ID token names one that is not known.
	lookAgain = time.Hour
	leastCode = 43 // of a PKCE verifier, in characters
)

// Settings say which issuer, and what its people may do.
type Settings struct {
	Issuer, ClientID string
	// ClientSecretFile is read at each sign-in. Empty: a public client.
	ClientSecretFile string
	Scopes           []string // that are asked of the issuer, beside openid
	NameClaim        string   // what the caller is called; email counts when it is verified
	RolesClaim       string   // a text or a list of texts
	// Grants are the admin scopes of who has a role.
	Grants map[string][]token.Scope
}

// Mint makes a token of the admin API.
type Mint func(name string, scopes []token.Scope) (string, error)

// Login signs people in. It may be used from any goroutine.
type Login struct {
	settings Settings
	mint     Mint
	now      func() time.Time
	client   *http.Client

	mu       sync.Mutex
	provider *oidc.Provider // nil: not looked up yet
	looked   time.Time
}

// New asks the issuer nothing: the service starts without it.
func New(s Settings, mint Mint, now func() time.Time) *Login {
	return &Login{settings: s, mint: mint, now: now, client: &http.Client{Timeout: answerTime, Transport: bounded{http.DefaultTransport}}}
}

// bounded cuts answers that are longer than any the issuer has reason to send. Of one that
// is no success only the status counts: the libraries put its text into their errors, and
// those go to the log.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	switch {
	case err != nil:
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		_ = answer.Body.Close()
		answer.Body = http.NoBody
	default:
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// RefusalError is why somebody is not let in: a word for metrics and the audit log. Other
// errors mean that the issuer cannot be used now.
type RefusalError string

func (r RefusalError) Error() string { return string(r) }

// The refusals.
const (
	ErrBadRequest RefusalError = "oidc_request" // what the console sent is no answer to a sign-in
	ErrBadCode    RefusalError = "oidc_code"    // the issuer does not take code and verifier
	ErrBadIDToken RefusalError = "oidc_id_token"
	ErrNoName     RefusalError = "oidc_name"  // its NameClaim is missing, or an e-mail address that is not verified
	ErrNoGrant    RefusalError = "oidc_grant" // none of the roles grants anything
)

// issuer returns what the issuer says of itself, at most lookAgain old; older, while it
// cannot be asked.
func (l *Login) issuer(ctx context.Context) (*oidc.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provider != nil && l.now().Sub(l.looked) < lookAgain {
		return l.provider, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, l.client), l.settings.Issuer)
	switch {
	case err == nil:
		l.provider, l.looked = found, l.now()
	case l.provider == nil:
		return nil, fmt.Errorf("the OIDC issuer: %w", httperr.Bare(err))
	}
	return l.provider, nil
}

// Way is what a browser needs to go to the issuer.
type Way struct {
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	ClientID              string `json:"client_id"`
	Scope                 string `json:"scope"`
}

// Way tells where a sign-in begins.
func (l *Login) Way(ctx context.Context) (Way, error) {
	p, err := l.issuer(ctx)
	if err != nil {
		return Way{}, err
	}
	return Way{AuthorizationEndpoint: p.Endpoint().AuthURL, ClientID: l.settings.ClientID, Scope: strings.Join(l.scopes(), " ")}, nil
}

func (l *Login) scopes() []string { return append([]string{oidc.ScopeOpenID}, l.settings.Scopes...) }

// Answer is what a browser has come back with, and what it had kept.
type Answer struct {
	Code        string `json:"code"`
	Verifier    string `json:"verifier"` // of PKCE
	Nonce       string `json:"nonce"`
	RedirectURI string `json:"redirect_uri"`
}

// Person is who has signed in.
type Person struct {
	Name  string
	Token string // of the admin API
}

// Finish exchanges an answer for a token. The error is a Refusal where the person, not
// the issuer, is the reason.
func (l *Login) Finish(ctx context.Context, a Answer) (Person, error) {
	if a.Code == "" || len(a.Verifier) < leastCode || a.Nonce == "" || a.RedirectURI == "" {
		return Person{}, ErrBadRequest
	}
	p, err := l.issuer(ctx)
	if err != nil {
		return Person{}, err
	}
	secret, err := l.secret()
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, l.client)
	c := oauth2.Config{ClientID: l.settings.ClientID, ClientSecret: secret, Endpoint: p.Endpoint(), RedirectURL: a.RedirectURI, Scopes: l.scopes()}
	answer, err := c.Exchange(ctx, a.Code, oauth2.VerifierOption(a.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError:
		return Person{}, ErrBadCode
	case err != nil:
		return Person{}, fmt.Errorf("the OIDC issuer: %w", httperr.Bare(err))
	}
	raw, _ := answer.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: l.settings.ClientID, Now: l.now}).Verify(ctx, raw)
	if err != nil || id.Nonce != a.Nonce {
		return Person{}, ErrBadIDToken
	}
	return l.admit(id)
}

func (l *Login) secret() (string, error) {
	if l.settings.ClientSecretFile == "" {
		return "", nil
	}
	text, err := conf.ReadSecret(l.settings.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("the secret of the OIDC client: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// admit makes a token for who an ID token speaks of.
func (l *Login) admit(id *oidc.IDToken) (Person, error) {
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return Person{}, ErrBadIDToken
	}
	name, _ := claims[l.settings.NameClaim].(string)
	if verified, _ := claims["email_verified"].(bool); name == "" || l.settings.NameClaim == "email" && !verified {
		return Person{}, ErrNoName
	}
	var scopes []token.Scope
	for _, role := range texts(claims[l.settings.RolesClaim]) {
		scopes = append(scopes, l.settings.Grants[role]...)
	}
	if slices.Sort(scopes); len(scopes) == 0 {
		return Person{}, ErrNoGrant
	}
	made, err := l.mint(name, slices.Compact(scopes))
	if err != nil {
		return Person{}, fmt.Errorf("a token for %q: %w", name, err)
	}
	return Person{Name: name, Token: made}, nil
}

// texts are the value of a claim that is a text, or a list of them.
func texts(claim any) (list []string) {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		for _, one := range claim {
			if text, is := one.(string); is {
				list = append(list, text)
			}
		}
	}
	return list
}
