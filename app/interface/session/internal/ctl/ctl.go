// Package ctl is `session ctl`: what a node has in memory, for the shell. It reads the
// pages of package inside from the DevServer of a node.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 4 there is nothing of that key on the node.
package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/inside"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

// Exit codes, where authsession ctl has the same.
const (
	done = iota
	failed
	wrongUsage
	_
	notFound
)

const mostBytes = 64 << 20 // of a page

// command is one of those after `session ctl`.
type command struct {
	name, args, about string
	// page makes a page's address of the arguments; flags are defined by options.
	options func(*flag.FlagSet) (query func() url.Values)
	text    func(w io.Writer, body []byte) error
}

var commands = []command{
	{"keys", "ID", "show one auth key: sessions, windows, outboxes, calls, who owns it", nil, keyText},
	{"top", "", "show the keys with the most", topOptions, topText},
	{"ended", "", "show the sessions that ended last, and why", endedOptions, endedText},
	{"ring", "", "show the ring of session nodes as the node sees it", nil, ringText},
	{"queues", "", "show what waits on the node, and for which gateways", nil, queuesText},
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// absentError says that the key is not on the node.
type absentError struct{ error }

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: session ctl COMMAND [flags]\n\nSees what a node has in memory, through its DevServer. Nothing is changed.\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-7s %-3s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(w, `
Every command has --help, and prints text or, with -o json, the page as it is. The node
is that of the DevServer which --addr names, or the configuration (-f).
Exit codes: 0 done, 1 failed, 2 wrong usage, 4 nothing of that key is on the node.
`)
}

func isHelp(a string) bool { return slices.Contains([]string{"help", "-h", "-help", "--help"}, a) }

// Run runs the arguments that follow `session ctl` and returns the exit code.
func Run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return wrongUsage
	}
	if isHelp(args[0]) {
		usage(stdout)
		return done
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		fmt.Fprintf(stderr, "session ctl: there is no command %q; see session ctl --help\n", args[0])
		return wrongUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return commands[i].run(ctx, args[1:], stdout, stderr)
}

func (c *command) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("f", "etc/session.yaml", "configuration `file`, for its DevServer")
	addr := flags.String("addr", "", "`host:port` of the node's DevServer; overrides -f")
	output := flags.String("o", "text", "`text` or json")
	wait := flags.Duration("timeout", 10*time.Second, "how long to wait for the node")
	query := func() url.Values { return nil }
	if c.options != nil {
		query = c.options(flags)
	}
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage: %s\n\n%s.\n\n", strings.TrimSpace("session ctl "+c.name+" "+c.args)+" [flags]", strings.ToUpper(c.about[:1])+c.about[1:])
		flags.PrintDefaults()
	}
	if slices.ContainsFunc(args, isHelp) {
		flags.SetOutput(stdout)
		flags.Usage()
		return done
	}
	words, err := parse(flags, unsigned(args))
	if err != nil {
		return wrongUsage // flags has said why
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	err = c.do(ctx, request{words: words, file: *file, addr: *addr, output: *output, query: query()}, stdout)
	switch {
	case err == nil:
		return done
	case errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "session ctl %s: %v; see session ctl %s --help\n", c.name, err, c.name)
		return wrongUsage
	}
	fmt.Fprintf(stderr, "session ctl %s: %v\n", c.name, err)
	if errors.As(err, new(absentError)) {
		return notFound
	}
	return failed
}

// unsigned writes ids below 0 that are no value of a flag, which all have one, as they are
// without a sign: package flag takes a number with a sign for a flag.
func unsigned(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		id, err := strconv.ParseInt(a, 10, 64)
		value := i > 0 && strings.HasPrefix(args[i-1], "-") && !strings.Contains(args[i-1], "=")
		if err == nil && id < 0 && !value {
			args[i] = strconv.FormatUint(uint64(id), 10)
		}
	}
	return args
}

// parse takes flags before and after the other arguments.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
}

// request is a command line.
type request struct {
	words              []string
	file, addr, output string
	query              url.Values
}

func (c *command) do(ctx context.Context, r request, stdout io.Writer) error {
	path := c.name
	switch {
	case c.args == "" && len(r.words) > 0:
		return usageError{fmt.Errorf("unexpected argument %q", r.words[0])}
	case c.args != "" && len(r.words) != 1:
		return usageError{errors.New("give one " + c.args)}
	case c.args != "":
		if _, err := inside.ParseKey(r.words[0]); err != nil {
			return usageError{err}
		}
		path += "/" + r.words[0]
	}
	if r.output != "text" && r.output != "json" {
		return usageError{fmt.Errorf("-o is %q, not text or json", r.output)}
	}
	addr, err := address(r)
	if err != nil {
		return err
	}
	body, err := get(ctx, "http://"+addr+inside.Prefix+path+"?"+r.query.Encode())
	if err != nil {
		return err
	}
	if r.output == "json" {
		_, err = stdout.Write(body)
	} else {
		err = c.text(stdout, body)
	}
	if err == nil && c.name == "keys" {
		err = absent(body)
	}
	return err
}

// address is that of the node's DevServer.
func address(r request) (string, error) {
	if r.addr != "" {
		return r.addr, nil
	}
	var c config.Config
	if _, err := conf.Load(r.file, &c); err != nil {
		return "", err
	}
	addr := rpcserver.DevAddress(c.DevServer)
	if addr == "" {
		return "", fmt.Errorf("%s has no DevServer, where a node shows what is inside; or name one by --addr", r.file)
	}
	return rpcserver.Local(addr), nil
}

// get reads a page.
func get(ctx context.Context, address string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, usageError{err}
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, fmt.Errorf("the node does not answer: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBytes))
	if err != nil {
		return nil, fmt.Errorf("the node broke off: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return body, nil
	}
	var fault struct{ Error *inside.Error }
	if json.Unmarshal(body, &fault) != nil || fault.Error == nil {
		return nil, fmt.Errorf("%s answers %s: that is no session node of this release", q.URL.Host, answer.Status)
	}
	if fault.Error.Code == "BAD_ARGUMENT" {
		return nil, usageError{fault.Error}
	}
	return nil, fmt.Errorf("%w (%s)", fault.Error, fault.Error.Code)
}

func absent(body []byte) error {
	var page inside.Key
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	if page.Where == "absent" {
		return absentError{fmt.Errorf("nothing of key %d is in memory on this node; by the ring it belongs to %s", page.ID, page.Owner)}
	}
	return nil
}
