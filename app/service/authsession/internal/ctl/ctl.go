// Package ctl is `authsession ctl`: the admin API for the shell. It speaks
// gRPC to a node's Admin.ListenOn.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (credentials, scope,
// rate, another clean-up is under way, a key of another call), 4 not found, 5 done in part: the output
// says what.
//
// A node that is asked too often says when it answers again: ctl waits, for
// --wait in all. With -o json errors are JSON, too.
package ctl

import (
	"context"
	"encoding/json"
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
	inPart
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
		{"get", "HASH | --auth-key ID | --user ID", "show one session, live or ended", get},
		{"revoke", "HASH... | --user ID", "end sessions", revoke},
		{"bulk-revoke", "--network NET --country CODE ...", "end sessions of any users that match", bulkRevoke},
		{"cleanup", "--older-than 720h", "end sessions that have been idle for long", cleanup},
		{"erase", "USER", "end a user's sessions and remove what there is of them", erase},
		{"policy get", "USER", "show what holds for a user's sessions", policyGet},
		{"policy set", "USER", "change it; what has no flag stays", policySet},
		{"stats", "", "count sessions", stats},
		{"overview", "", "show live numbers: logins, sign-ins, events, clean-ups", overview},
		{"watch", "", "show them again and again, a line each time", watch},
		{"events", "", "follow events of sessions as they are published", events},
		{"audit", "[ID]", "show what was asked of the admin API, or export it", audit},
		{"webhooks", "", "show the webhooks, and what they owe", webhooks},
		{"webhooks dead", "NAME", "show events that a webhook did not take", webhooksDead},
		{"webhooks retry", "NAME ID... | NAME --all", "have them delivered again", webhooksRetry},
		{"webhooks purge", "NAME ID... | NAME --all", "remove them for good", webhooksPurge},
		{"whoami", "", "show who you are to the node, and what you may", whoami},
		{"config", "", "show what the node does with sessions", config},
		{"token", "--key-file FILE --scope SCOPE", "make a bearer token; asks no node", makeToken},
		{"completion", "bash | zsh | fish", "print completion for a shell; asks no node", completion},
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
	var best command // the one with the longest name
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name && len(c.name) > len(best.name) {
			best = c
		}
	}
	if best.run != nil {
		return v.run(best, args[len(strings.Fields(best.name)):])
	}
	fmt.Fprintf(stderr, "authsession ctl: there is no command %q; see authsession ctl --help\n", args[0])
	return wrongUsage
}

func (v *invocation) usage(w io.Writer) {
	fmt.Fprint(w, "Usage: authsession ctl COMMAND [flags]\n\nSees and ends sessions through the admin API of a node.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-14s %-32s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprintf(w, `
Every command has --help. A token comes from --token-file or from the variable
%s, the node's address (Admin.ListenOn) from --addr or %s.
All times that a command prints are UTC, as 2026-01-31T00:00:00Z. Flags take other
zones, too: 2026-01-31T01:00:00+01:00.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not found, 5 done in part.
`, tokenVariable, addressVariable)
}

func (v *invocation) run(c command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r := newRequest(v, c, args)
	defer r.close()
	return r.tell(c, c.run(ctx, r))
}

// partialError is an error after something was done.
type partialError struct{ error }

func (e partialError) Unwrap() error { return e.error }

func partially(err error) error { return partialError{err} }

// tell says what went wrong and returns the exit code.
func (r *request) tell(c command, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return done
	}
	if r.output == "json" {
		text, _ := json.Marshal(map[string]problem{"error": describe(err)})
		fmt.Fprintf(r.stderr, "%s\n", text)
		return exitCode(err)
	}
	switch p := describe(err); {
	case errors.As(err, new(usageError)):
		fmt.Fprintf(r.stderr, "authsession ctl %s: %s; see authsession ctl %s --help\n", c.name, p.Message, c.name)
	case p.Code == "":
		fmt.Fprintf(r.stderr, "authsession ctl %s: %s\n", c.name, p.Message)
	default:
		fmt.Fprintf(r.stderr, "authsession ctl %s: %s (%s)\n", c.name, p.Message, p.Code)
	}
	return exitCode(err)
}

// problem is an error as JSON shows it.
type problem struct {
	Code    string `json:"code,omitempty"` // of the node's answer
	Message string `json:"message"`
	Exit    int    `json:"exit"` // code of the program
}

func describe(err error) problem {
	p := problem{Message: err.Error(), Exit: exitCode(err)}
	if part := (partialError{}); errors.As(err, &part) { // status changes the text of what is wrapped
		err = part.error
	}
	if errors.As(err, new(usageError)) {
		return p
	}
	if s, ok := status.FromError(err); ok {
		p.Code, p.Message = s.Code().String(), printable(s.Message())
		if s.Code() == codes.Unavailable && strings.Contains(p.Message, "http2: frame too large") { // the answer was no HTTP/2
			p.Message += ": this looks like the port of Admin.Rest; ctl needs that of Admin.ListenOn"
		}
	}
	return p
}

func exitCode(err error) int {
	switch {
	case errors.As(err, new(partialError)):
		return inPart
	case errors.As(err, new(usageError)):
		return wrongUsage
	}
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.ResourceExhausted, codes.Aborted, codes.AlreadyExists:
		return refused
	case codes.NotFound:
		return notFound
	case codes.InvalidArgument:
		return wrongUsage
	}
	return failed
}
