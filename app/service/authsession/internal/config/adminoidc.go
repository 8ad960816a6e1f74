package config

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/oidclogin"
)

// AdminOIDC lets people sign in to the session console at an OpenID Connect issuer. It is
// off unless it names one; then Admin.Tokens needs an HMAC key, with which their tokens
// are made.
type AdminOIDC struct {
	Issuer           string   `json:",optional"` // https, or http on loopback
	ClientID         string   `json:",optional"` // there; its redirect URI ends with /console/
	ClientSecretFile string   `json:",optional"` // none: a public client
	Scopes           []string `json:",optional"` // asked of the issuer, beside openid
	NameClaim        string   `json:",default=sub"`
	RolesClaim       string   `json:",default=groups"`
	// Grants are the scopes of who has a role, as ops: [sessions:read].
	Grants map[string][]string `json:",optional"`
	Life   time.Duration       `json:",default=8h"` // of a sign-in, 1m to 24h; Admin.Tokens.MaxLife bounds it, too
}

// Enabled reports whether an issuer is named.
func (o *AdminOIDC) Enabled() bool { return o.Issuer != "" }

// Settings are those of the sign-in.
func (o *AdminOIDC) Settings() oidclogin.Settings {
	s := oidclogin.Settings{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecretFile: o.ClientSecretFile, Scopes: o.Scopes,
		NameClaim: o.NameClaim, RolesClaim: o.RolesClaim, Grants: map[string][]token.Scope{},
	}
	for role, scopes := range o.Grants {
		for _, scope := range scopes {
			s.Grants[role] = append(s.Grants[role], token.Scope(scope))
		}
	}
	return s
}

const oidcPrefix = "Admin.OIDC"

// validate is called where the admin API is on.
func (o *AdminOIDC) validate(rest bool, keys token.Keys) error {
	if !o.Enabled() {
		if o.ClientID != "" || o.ClientSecretFile != "" || len(o.Grants) > 0 {
			return &conf.KeyError{Key: oidcPrefix + ".Issuer", Problem: "is missing", Fix: "set it, for example Issuer: https://login.example.org, or leave Admin.OIDC out"}
		}
		return nil
	}
	at, err := url.Parse(o.Issuer)
	_, _, signs := keys.Signing()
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !loopback(at.Hostname())):
		return &conf.KeyError{Key: oidcPrefix + ".Issuer", Problem: "is no https address", Fix: "write it as the issuer does in its discovery document, for example https://login.example.org"}
	case o.ClientID == "":
		return &conf.KeyError{Key: oidcPrefix + ".ClientID", Problem: "is missing", Fix: "set the id of the client that you have made there for the console"}
	case !rest:
		return &conf.KeyError{Key: oidcPrefix, Problem: "is for the console, which is not served", Fix: "set Admin.Rest.Port"}
	case !signs:
		return &conf.KeyError{Key: oidcPrefix, Problem: "has no key to make tokens with", Fix: "set Admin.Tokens.HMACKeyFile (" + hmacFix + ")"}
	case len(o.Grants) == 0:
		return &conf.KeyError{Key: oidcPrefix + ".Grants", Problem: "lets nobody do anything", Fix: "name roles and their scopes, for example Grants: {ops: [sessions:read, sessions:revoke]}"}
	case o.Life < time.Minute || o.Life > 24*time.Hour:
		return &conf.KeyError{Key: oidcPrefix + ".Life", Problem: "is out of bounds", Fix: "set it from 1m to 24h"}
	}
	for role, scopes := range o.Grants {
		for _, s := range scopes {
			if !slices.Contains(token.Scopes, token.Scope(s)) {
				return &conf.KeyError{Key: oidcPrefix + ".Grants." + role, Problem: fmt.Sprintf("names the scope %q, which there is not", s), Fix: fmt.Sprintf("use %s", strings.Trim(fmt.Sprint(token.Scopes), "[]"))}
			}
		}
	}
	if o.ClientSecretFile == "" {
		return nil
	}
	if _, err := os.Stat(o.ClientSecretFile); err != nil {
		return &conf.KeyError{Key: oidcPrefix + ".ClientSecretFile", Problem: fmt.Sprintf("cannot be read (%v)", err), Fix: "name a file with the client's secret, or leave it out for a public client"}
	}
	return nil
}
