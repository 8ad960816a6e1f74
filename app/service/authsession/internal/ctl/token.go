package ctl

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
)

// scopes collects a flag that may come more than once.
type scopes []token.Scope

func (s *scopes) String() string { return strings.Trim(fmt.Sprint(*s), "[]") }

func (s *scopes) Set(value string) error {
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' }) {
		*s = append(*s, token.Scope(word))
	}
	return nil
}

func makeToken(_ context.Context, r *request) error {
	g := token.Grant{}
	file := r.String("key-file", "", "`file` that HMACKeyFile names in Admin.Tokens, or in one of its Keys")
	r.Var((*scopes)(&g.Scopes), "scope", fmt.Sprintf("`scope`, of %s; may be repeated", token.Listed()))
	r.DurationVar(&g.TTL, "ttl", time.Hour, fmt.Sprintf("how long the token is good, at most %v", token.MaxTTL))
	r.StringVar(&g.Name, "name", cmp.Or(r.getenv("USER"), "ctl"), "who the token is for; stands in the audit log")
	r.StringVar(&g.Issuer, "issuer", "", "as Admin.Tokens.Issuer")
	r.StringVar(&g.Audience, "audience", "", "as Admin.Tokens.Audience")
	r.StringVar(&g.KeyID, "kid", "", "`ID` of the key in Admin.Tokens.Keys")
	if err := r.nothing(); err != nil {
		return err
	}
	if *file == "" {
		return misuse("--key-file is missing")
	}
	content, err := conf.ReadFile(*file)
	if err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	key, err := token.HMACKey(content)
	if err != nil {
		return fmt.Errorf("--key-file: %s %w", *file, err)
	}
	text, err := token.Mint(key, g, time.Now())
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(r.stdout, text)
	return err
}
