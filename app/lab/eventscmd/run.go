package eventscmd

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const usage = `usage: lab events [flags]

Prints what happens to sessions, one line an event, until Ctrl-C: an example consumer of
the Redis stream that authsession fills when Events.Stream is set. "lab run" sets it, and
prints the address of its Redis. Started twice, the two share the events.

`

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Run is the command with the arguments behind "lab events". It returns the exit code.
func Run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, stdout, stderr)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("lab events", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	address := flags.String("redis", "127.0.0.1:6379", "`host:port` of the Redis")
	stream := flags.String("stream", "session-events", "`key` of the stream: Events.Stream of authsession.yaml")
	group := flags.String("group", "lab", "consumer `group`")
	host, _ := os.Hostname()
	name := flags.String("name", fmt.Sprintf("%s-%d", cmp.Or(host, "lab"), os.Getpid()), "this consumer's `name` in the group")
	all := flags.Bool("all", false, "let a new group begin with the oldest event")
	count := flags.Int("n", 0, "end after `N` events; 0: never")
	idle := flags.Duration("idle", time.Minute, "`time` without acknowledgment after which another's event is taken over")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return exitOK
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(stderr, "lab events: %v; see lab events --help\n", err)
		return exitUsage
	}

	client := redis.NewClient(&redis.Options{Addr: *address})
	defer func() { _ = client.Close() }()
	c := &consumer{
		client: client, stream: *stream, group: *group, name: *name, idle: *idle,
		handle: func(e Event) error { _, err := fmt.Fprintln(stdout, line(e)); return err },
	}
	from := "$"
	if *all {
		from = "0"
	}
	if err := c.join(ctx, from); err != nil {
		fmt.Fprintf(stderr, "lab events: %v\n", err)
		return exitFailure
	}
	for total := 0; ctx.Err() == nil && (*count == 0 || total < *count); {
		n, err := c.step(ctx)
		total += n
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(stderr, "lab events: %v\n", err)
			return exitFailure
		}
	}
	return exitOK
}

// line is an event for people.
func line(e Event) string {
	words := []string{e.At.Local().Format(time.TimeOnly), e.Type, "user", e.Session.UserID, "session", e.Session.Hash}
	for _, more := range []string{e.Session.DeviceType, strings.TrimSpace(e.Session.AppName + " " + e.Session.AppVersion), e.Session.IP, e.Session.Country} {
		if more != "" {
			words = append(words, "·", more)
		}
	}
	if e.Reason != "" {
		words = append(words, "·", e.Reason)
	}
	if e.Actor != "" {
		words = append(words, "by", e.Actor)
	}
	return strings.Join(words, " ")
}
