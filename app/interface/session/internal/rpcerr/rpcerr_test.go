package rpcerr

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/errpage"
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
	errpage.Fresh(t, page, b.String(), *update, "go test ./app/interface/session/internal/rpcerr -update")
}

// Every error has a row, and every row names its error.
func TestRows(t *testing.T) {
	var names []string
	for _, r := range Rows {
		names = append(names, r.Name)
		require.NotEmpty(t, r.When, r.Name)
		require.NotEmpty(t, r.Then, r.Name)
		if r.Error != ErrTimeout {
			require.Regexp(t, `^[A-Z_0-9]+$`, r.Message)
		}
	}
	errpage.Rows(t, names, "rpcerr.go")
}

// constant matches errors that are written in place.
var constant = regexp.MustCompile(`(RPCError|rpcerr\.Error)\{(Code: )?-?\d+, (Message: )?"[^"]|status\.Error\((\d+|codes\.Code\(\d+\)), "|answerError\([^)]*, -?\d+, "`)

// Nobody answers an error that the catalogue does not have.
func TestNoOtherErrors(t *testing.T) { errpage.NoOthers(t, services, constant, 50, "sim", "rpcerr") }

// An error reaches a caller over gRPC with its code and its text.
func TestStatus(t *testing.T) {
	require.EqualError(t, ErrChannelFull.Status(), "rpc error: code = Code(420) desc = SESSION_DATA_CHANNEL_FULL")
	require.EqualError(t, ErrChannelFull, "SESSION_DATA_CHANNEL_FULL")
}
