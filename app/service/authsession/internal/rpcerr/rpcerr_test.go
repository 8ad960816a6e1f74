package rpcerr

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/errpage"
)

var update = flag.Bool("update", false, "write docs/errors-authsession.md")

const (
	page     = "../../../../../docs/errors-authsession.md"
	services = ".." // all of authsession
)

// verb matches what a message leaves open.
var verb = regexp.MustCompile(`%[a-z]`)

// The page shows the catalogue as it is.
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Errors of authsession

What authsession answers when it cannot do what it is asked, and who sees it. What session
answers is in [errors.md](errors.md). ` + "`go test ./app/service/authsession/internal/rpcerr -update`" + `
writes this page from the code.

## What peers see

Gateways, session nodes and BFFs. Session gives the answer to a client's own call on to
the client as it is.

| code | text | when | what happens then |
|---|---|---|---|
`)
	for _, r := range Rows {
		if r.To == toPeers {
			fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", r.Code, r.Message, r.When, r.Then)
		}
	}
	for _, to := range []string{toCallers, toPeople} {
		fmt.Fprintf(&b, "\n## What a %s sees\n\n", to)
		if to == toCallers {
			b.WriteString("The code is that of the body in REST and of the audit log; gRPC has its own number for it.\nThe reason is the word in the audit log's `refusal` and in the metric of refusals.\n\n")
		}
		b.WriteString("| code | HTTP | reason | text | when | what to do |\n|---|---|---|---|---|---|\n")
		for _, r := range Rows {
			if r.To == to {
				a := AnswerTo(r.Code)
				reason := ""
				if r.Reason != "" {
					reason = "`" + r.Reason + "`"
				}
				fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s |\n", a.Name, a.HTTP, reason, verb.ReplaceAllString(r.Message, "…"), r.When, r.Then)
			}
		}
	}
	errpage.Fresh(t, page, b.String(), *update, "go test ./app/service/authsession/internal/rpcerr -update")
}

// Every error has a row, and every row names its error.
func TestRows(t *testing.T) {
	var names []string
	for _, r := range Rows {
		require.NotContains(t, names, r.Name, "it has two rows")
		names = append(names, r.Name)
		require.NotEmpty(t, r.When, r.Name)
		require.NotEmpty(t, r.Then, r.Name)
		if r.To == toPeers {
			require.Regexp(t, `^[A-Z_]+$`, r.Message)
			require.Empty(t, r.Reason, r.Name)
		} else {
			require.Contains(t, answers, r.Code, "%s: REST has no name for its code", r.Name)
		}
	}
	errpage.Rows(t, names, "rpcerr.go", "admin.go")
}

// Each word with which a token or a sign-in is refused has an answer of its own.
func TestEachRefusalHasAnAnswer(t *testing.T) {
	known := map[string]string{}
	for why, e := range tokens {
		known[string(why)] = e.Reason
	}
	for why, e := range signIns {
		known[string(why)] = e.Reason
	}
	word := regexp.MustCompile(`(?m)^\t\w+ +RefusalError = "(\w+)"`)
	found := 0
	for _, file := range []string{"../admin/token/token.go", "../oidclogin/login.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range word.FindAllStringSubmatch(string(text), -1) {
			require.Equal(t, m[1], known[m[1]], "%s: %s", file, m[1])
			found++
		}
	}
	require.Len(t, known, found)
	require.Equal(t, ErrTokenExpired, Token("token_expired"))
	require.Equal(t, ErrSignInGrant, SignIn("oidc_grant"))
}

// constant matches errors that are written in place: a status with a text, or a refusal.
var constant = regexp.MustCompile(`status\.(Error|Errorf|New)\([^)]*"|rpcerr\.Error\{`)

// Nobody answers an error that the catalogue does not have.
func TestNoOtherErrors(t *testing.T) {
	errpage.NoOthers(t, services, constant, 100, "testenv", "rpcerr")
}

// An error reaches a caller over gRPC with its code and its text, filled in or not, and
// errors.Is tells those of the catalogue apart.
func TestAnswers(t *testing.T) {
	require.Equal(t, codes.Code(401), status.Code(ErrKeyUnregistered))
	require.Equal(t, "AUTH_KEY_UNREGISTERED", status.Convert(ErrKeyUnregistered).Message())
	require.Empty(t, status.Convert(ErrKeyUnregistered).Details(), "a gateway compares it with one without details")
	require.ErrorIs(t, error(ErrKeyUnregistered), ErrKeyUnregistered)
	require.NotErrorIs(t, error(ErrKeyUnregistered), ErrKeyPermEmpty)
	got := ErrNoSuchWebhook.With("crm")
	require.Equal(t, codes.NotFound, status.Code(got))
	require.EqualError(t, got, `there is no webhook "crm" on this node`)
	require.Equal(t, `there is no webhook %q on this node`, ErrNoSuchWebhook.Message)

	require.Equal(t, Answer{"OK", 200}, AnswerOf(nil))
	require.Equal(t, Answer{"NOT_FOUND", 404}, AnswerOf(ErrNoSuchSession))
	require.Equal(t, Answer{"INTERNAL", 500}, AnswerOf(errors.New("any other")))
}
