// Package ctl is `authsession ctl`: the admin API for the shell. It speaks
// gRPC to a node's Admin.ListenOn.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (credentials, scope,
// rate), 4 not found.
package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Exit codes.
const (
	done = iota
	failed
	wrongUsage
	refused
	notFound
)

// invocation is one run of the program.
type invocation struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// command is one of those after `authsession ctl`.
type command struct {
	name, args, about string
	// run defines its flags, calls parse for its arguments, and does it.
	run func(ctx context.Context, r *request) error
}

// commands are in the order of the help text. A function, since they refer to
// it themselves.
func commands() []command {
	return []command{
		{"list", "", "list sessions, the latest first", list},
		{"get", "HASH | --auth-key ID", "show one session, live or ended", get},
		{"revoke", "HASH... | --user ID", "end sessions", revoke},
		{"cleanup", "--older-than 720h", "end sessions that have been idle for long", cleanup},
		{"policy get", "USER", "show what holds for a user's sessions", policyGet},
		{"policy set", "USER", "replace it; what has no flag goes back to what is configured for all", policySet},
		{"stats", "", "count sessions", stats},
		{"config", "", "show what the node does with sessions", config},
		{"token", "--key-file FILE --scope SCOPE", "make a bearer token; asks no node", makeToken},
	}
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run runs the arguments that follow `authsession ctl` and returns the exit
// code. getenv is os.Getenv.
func Run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	v := &invocation{getenv: getenv, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		v.usage(stderr)
		return wrongUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		v.usage(stdout)
		return done
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return v.run(c, args[len(words):])
		}
	}
	fmt.Fprintf(stderr, "authsession ctl: there is no command %q; see authsession ctl --help\n", args[0])
	return wrongUsage
}

func (v *invocation) usage(w io.Writer) {
	fmt.Fprint(w, "Usage: authsession ctl COMMAND [flags]\n\nSees and ends sessions through the admin API of a node.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %-30s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprintf(w, `
Every command has --help. A token comes from --token-file or from the variable
%s, the node's address from --addr or %s.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not found.
`, tokenVariable, addressVariable)
}

func (v *invocation) run(c command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := newRequest(v, c, args)
	defer r.close()
	return v.tell(c, c.run(ctx, r))
}

// tell says what went wrong and returns the exit code.
func (v *invocation) tell(c command, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return done
	case errors.As(err, new(usageError)):
		fmt.Fprintf(v.stderr, "authsession ctl %s: %v; see authsession ctl %s --help\n", c.name, err, c.name)
		return wrongUsage
	}
	s, isStatus := status.FromError(err)
	if !isStatus {
		fmt.Fprintf(v.stderr, "authsession ctl %s: %v\n", c.name, err)
		return failed
	}
	fmt.Fprintf(v.stderr, "authsession ctl %s: %s (%s)\n", c.name, printable(s.Message()), s.Code())
	switch s.Code() {
	case codes.Unauthenticated, codes.PermissionDenied, codes.ResourceExhausted:
		return refused
	case codes.NotFound:
		return notFound
	case codes.InvalidArgument:
		return wrongUsage
	}
	return failed
}
