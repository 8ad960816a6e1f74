package rpcerr

import (
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
)

var update = flag.Bool("update", false, "write docs/errors.md")

const (
	page     = "../../../../../docs/errors.md"
	services = ".." // all of session
)

// The page shows the catalogue as it is.
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Errors

What session itself answers when it cannot do what it is asked. Errors of BFFs and of
authsession pass through as they are
([PEERS.md](../proto/PEERS.md), "Errors"). ` + "`go test ./app/interface/session/internal/rpcerr -update`" + `
writes this page from the code.
`)
	for _, to := range []string{toClients, toPushers, toGateways, toNodes} {
		fmt.Fprintf(&b, "\n## What a %s sees\n\n| code | text | when | what happens then |\n|---|---|---|---|\n", to)
		for _, r := range Rows {
			if r.To == to {
				fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", r.Code, r.Message, r.When, r.Then)
			}
		}
	}
	fmt.Fprintf(&b, `
A gateway that follows the ring is told the owner of a key by %d %s and the
owner's address; it sends the request there.
`, CodeRedirect, "`"+RedirectPrefix+"`")
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o600))
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(text), "run go test ./app/interface/session/internal/rpcerr -update")
}

// Every error has a row, and every row names its error.
func TestRows(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "rpcerr.go", nil, 0)
	require.NoError(t, err)
	named := map[string]bool{}
	for _, r := range Rows {
		named[r.Name] = true
		require.NotEmpty(t, r.When, r.Name)
		require.NotEmpty(t, r.Then, r.Name)
		if r.Error != Timeout {
			require.Regexp(t, `^[A-Z_0-9]+$`, r.Message)
		}
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			for _, name := range s.(*ast.ValueSpec).Names { //nolint:forcetypeassert // of a var declaration
				require.True(t, named[name.Name], "%s has no row", name.Name)
				delete(named, name.Name)
			}
		}
	}
	require.Empty(t, named, "rows without an error")
}

// constant matches errors that are written in place.
var constant = regexp.MustCompile(`(RPCError|rpcerr\.Error)\{(Code: )?-?\d+, (Message: )?"[^"]|status\.Error\((\d+|codes\.Code\(\d+\)), "`)

// Nobody answers an error that the catalogue does not have.
func TestNoOtherErrors(t *testing.T) {
	files := 0
	require.NoError(t, filepath.WalkDir(services, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "sim" || d.Name() == "rpcerr"):
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
	require.Greater(t, files, 50)
}

// An error reaches a caller over gRPC with its code and its text.
func TestStatus(t *testing.T) {
	require.EqualError(t, ChannelFull.Status(), "rpc error: code = Code(420) desc = SESSION_DATA_CHANNEL_FULL")
	require.EqualError(t, ChannelFull, "SESSION_DATA_CHANNEL_FULL")
}
