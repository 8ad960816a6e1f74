package rpcerr

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o600))
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(text), "run go test ./app/service/authsession/internal/rpcerr -update")
}

// Every error has a row, and every row names its error.
func TestRows(t *testing.T) {
	named := map[string]bool{}
	for _, r := range Rows {
		require.False(t, named[r.Name], "%s has two rows", r.Name)
		named[r.Name] = true
		require.NotEmpty(t, r.When, r.Name)
		require.NotEmpty(t, r.Then, r.Name)
		if r.To == toPeers {
			require.Regexp(t, `^[A-Z_]+$`, r.Message)
			require.Empty(t, r.Reason, r.Name)
		} else {
			require.Contains(t, answers, r.Code, "%s: REST has no name for its code", r.Name)
		}
	}
	for _, name := range []string{"rpcerr.go", "admin.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, v := range variables(file) {
			if ast.IsExported(v) {
				require.True(t, named[v], "%s has no row", v)
				delete(named, v)
			}
		}
	}
	require.Empty(t, named, "rows without an error")
}

// variables are the names that a file declares by var.
func variables(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				for _, name := range s.(*ast.ValueSpec).Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
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
	word := regexp.MustCompile(`(?m)^\t\w+ +Refusal = "(\w+)"`)
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
	require.Equal(t, TokenExpired, Token("token_expired"))
	require.Equal(t, SignInGrant, SignIn("oidc_grant"))
}

// constant matches errors that are written in place: a status with a text, or a refusal.
var constant = regexp.MustCompile(`status\.(Error|Errorf|New)\([^)]*"|rpcerr\.Error\{`)

// Nobody answers an error that the catalogue does not have.
func TestNoOtherErrors(t *testing.T) {
	files := 0
	require.NoError(t, filepath.WalkDir(services, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testenv" || d.Name() == "rpcerr"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for n, line := range strings.Split(string(text), "\n") {
			require.False(t, constant.MatchString(line), "%s:%d: take it from package rpcerr: %s", path, n+1, line)
		}
		return nil
	}))
	require.Greater(t, files, 100)
}

// An error reaches a caller over gRPC with its code and its text, filled in or not, and
// errors.Is tells those of the catalogue apart.
func TestAnswers(t *testing.T) {
	require.Equal(t, codes.Code(401), status.Code(KeyUnregistered))
	require.Equal(t, "AUTH_KEY_UNREGISTERED", status.Convert(KeyUnregistered).Message())
	require.Empty(t, status.Convert(KeyUnregistered).Details(), "a gateway compares it with one without details")
	require.ErrorIs(t, error(KeyUnregistered), KeyUnregistered)
	require.NotErrorIs(t, error(KeyUnregistered), KeyPermEmpty)
	got := NoSuchWebhook.With("crm")
	require.Equal(t, codes.NotFound, status.Code(got))
	require.EqualError(t, got, `there is no webhook "crm" on this node`)
	require.Equal(t, `there is no webhook %q on this node`, NoSuchWebhook.Message)

	require.Equal(t, Answer{"OK", 200}, AnswerOf(nil))
	require.Equal(t, Answer{"NOT_FOUND", 404}, AnswerOf(NoSuchSession))
	require.Equal(t, Answer{"INTERNAL", 500}, AnswerOf(errors.New("any other")))
}
