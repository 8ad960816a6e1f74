package config

import (
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
)

// AdminTokens says which bearer tokens are good: those that one of the keys signed.
// The files are read again when they change.
type AdminTokens struct {
	HMACKeyFile   string `json:",optional"` // at least 32 bytes, for HS256
	PublicKeyFile string `json:",optional"` // PEM, for RS256, ES256 or EdDSA
	Algorithm     string `json:",optional"` // the key's, when it is to be pinned by name, too
	// Keys are further keys, each for tokens that name it (kid): so one is replaced
	// by another while tokens of both are in use.
	Keys     []AdminKey `json:",optional"`
	JWKSFile string     `json:",optional"` // a JSON Web Key Set with public keys, by kid
	// JWKSURL is where such a set is read from, again and again: https, or on this
	// host. Keys of the files come first.
	JWKSURL string `json:",optional"`
	// DenyFile names tokens that are refused, one a line: a jti, or sub: and a
	// subject, all of whose tokens are.
	DenyFile string        `json:",optional"`
	MaxLife  time.Duration `json:",default=720h"` // of a token, from iat to exp; 0: no bound
	Issuer   string        `json:",optional"`     // when set, tokens must name it (iss)
	Audience string        `json:",optional"`     // likewise (aud)
}

// AdminKey is a key for tokens that name it.
type AdminKey struct {
	ID            string // kid
	HMACKeyFile   string `json:",optional"`
	PublicKeyFile string `json:",optional"`
}

func (t *AdminTokens) keyed() bool {
	return t.HMACKeyFile != "" || t.PublicKeyFile != "" || len(t.Keys) > 0 || t.JWKSFile != "" || t.JWKSURL != ""
}

func (t *AdminTokens) given() bool {
	return t.keyed() || t.Algorithm != "" || t.DenyFile != "" || t.Issuer != "" || t.Audience != ""
}

// Rules are what tokens must keep to.
func (t *AdminTokens) Rules() token.Rules {
	return token.Rules{Issuer: t.Issuer, Audience: t.Audience, MaxLife: t.MaxLife}
}

// Files are those that Load reads.
func (t *AdminTokens) Files() []string {
	files := []string{t.HMACKeyFile, t.PublicKeyFile, t.JWKSFile, t.DenyFile}
	for _, k := range t.Keys {
		files = append(files, k.HMACKeyFile, k.PublicKeyFile)
	}
	return named(files...)
}

const tokensPrefix = "Admin.Tokens"

// Load reads the keys that tokens are signed with, and the tokens that are refused;
// no keys when no tokens are taken.
func (t *AdminTokens) Load() (keys token.Keys, err error) {
	switch {
	case !t.keyed() && t.given():
		return keys, &conf.KeyError{Key: tokensPrefix, Problem: "names no key", Fix: "set HMACKeyFile, PublicKeyFile, Keys, JWKSFile or JWKSURL"}
	case !t.keyed():
		return keys, nil
	}
	if t.JWKSURL != "" {
		if err := token.CheckURL(t.JWKSURL); err != nil {
			return keys, &conf.KeyError{Key: tokensPrefix + ".JWKSURL", Problem: err.Error(), Fix: "name the jwks_uri of who signs the tokens, for example https://sso.example.org/keys"}
		}
	}
	keys.ByID = map[string]token.Key{}
	if t.JWKSFile != "" {
		content, err := read(tokensPrefix+".JWKSFile", t.JWKSFile, jwksFix)
		if err != nil {
			return keys, err
		}
		if keys.ByID, err = token.JWKS(content); err != nil {
			return keys, &conf.KeyError{Key: tokensPrefix + ".JWKSFile", Problem: err.Error(), Fix: jwksFix}
		}
	}
	if t.HMACKeyFile != "" || t.PublicKeyFile != "" {
		key, err := keyOf(tokensPrefix, t.HMACKeyFile, t.PublicKeyFile)
		if err != nil {
			return keys, err
		}
		if t.Algorithm != "" && t.Algorithm != key.Algorithm() {
			return keys, &conf.KeyError{Key: tokensPrefix + ".Algorithm", Problem: fmt.Sprintf("is %s, which the key is not for", t.Algorithm), Fix: "leave it out, or set " + key.Algorithm()}
		}
		keys.ByID[""] = key
	}
	for i, k := range t.Keys {
		at := fmt.Sprintf("%s.Keys[%d]", tokensPrefix, i)
		if _, twice := keys.ByID[k.ID]; twice || k.ID == "" {
			return keys, &conf.KeyError{Key: at + ".ID", Problem: "is empty, or another key has it", Fix: "give each key an ID of its own, which tokens name as kid"}
		}
		if keys.ByID[k.ID], err = keyOf(at, k.HMACKeyFile, k.PublicKeyFile); err != nil {
			return keys, err
		}
	}
	if t.DenyFile != "" {
		const fix = "name a text file with a jti a line; it may be empty"
		content, err := read(tokensPrefix+".DenyFile", t.DenyFile, fix)
		if err != nil {
			return keys, err
		}
		if keys.Denied, err = token.ParseDenylist(content); err != nil {
			return keys, &conf.KeyError{Key: tokensPrefix + ".DenyFile", Problem: err.Error(), Fix: "remove tokens that have expired"}
		}
	}
	return keys, nil
}

const (
	hmacFix   = "make a key with: openssl rand -hex 32"
	publicFix = "name a PEM file with the public key of who signs the tokens"
	jwksFix   = "name a JSON Web Key Set with the public keys of who signs the tokens"
)

// keyOf reads the one key of two files of which one is named.
func keyOf(at, hmacFile, publicFile string) (token.Key, error) {
	name, path, make, fix := at+".HMACKeyFile", hmacFile, token.HMACKey, hmacFix
	switch {
	case hmacFile != "" && publicFile != "":
		return token.Key{}, &conf.KeyError{Key: name, Problem: "and PublicKeyFile are both set", Fix: "keep one of them"}
	case publicFile != "":
		name, path, make, fix = at+".PublicKeyFile", publicFile, token.PublicKey, publicFix
	case hmacFile == "":
		return token.Key{}, &conf.KeyError{Key: at, Problem: "names no file", Fix: "set HMACKeyFile or PublicKeyFile"}
	}
	content, err := read(name, path, fix)
	if err != nil {
		return token.Key{}, err
	}
	key, err := make(content)
	if err != nil {
		return token.Key{}, &conf.KeyError{Key: name, Problem: err.Error(), Fix: fix}
	}
	return key, nil
}

func read(key, path, fix string) ([]byte, error) {
	content, err := conf.ReadFile(path)
	if err != nil {
		return nil, &conf.KeyError{Key: key, Problem: fmt.Sprintf("cannot be read (%v)", err), Fix: fix}
	}
	return content, nil
}
