package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/conf"
	authsession "github.com/tgsession/tgsession/app/service/authsession"
)

// Exit codes of a clean-up.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitBusy
)

const cleanupHelp = `Usage: authsession cleanup [flags]

Ends the sessions that nobody has used for a time, once; where a user has set a
time of their own, that holds. Then removes the rows of sessions and devices that
have been over for Cleanup.KeepEnded, unless --limit was reached. Nodes may go on serving; one clean-up runs at a
time. On a database of a stock install nodes end no unused session by themselves
before this was run once, without --dry-run, and remove nothing. Prints a summary as one line of
JSON:

  {"result":"done","sessions":12,"batches":1,"dry_run":false,"older_than":"720h0m0s",
   "removed":{"sessions":3,"history":0,"devices":2},"keep_ended":"8760h0m0s","took_ms":40}

result is done, limit (there may be more than --limit), stopped (by a signal,
after the batch under way), busy (another node is at it) or error.
Exit code: 0 done or limit, 1 stopped or error, 2 usage, 3 busy.

`

// cleanupReport is what is printed.
type cleanupReport struct {
	Result    string `json:"result"`
	Sessions  int    `json:"sessions"`
	Batches   int    `json:"batches"`
	DryRun    bool   `json:"dry_run"`
	OlderThan string `json:"older_than"`
	// Removed are rows, or, in a dry run, those that would go.
	Removed   removedReport `json:"removed"`
	KeepEnded string        `json:"keep_ended"` // 0s: for ever
	TookMS    int64         `json:"took_ms"`
	Error     string        `json:"error,omitempty"`
}

type removedReport struct {
	Sessions int `json:"sessions"`
	History  int `json:"history"`
	Devices  int `json:"devices"`
}

// cleanup is `authsession cleanup`.
func cleanup(args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("cleanup", flag.ContinueOnError)
	flags.SetOutput(errOut)
	file := flags.String("f", "etc/authsession.yaml", "configuration `file`")
	olderThan := flags.Duration("older-than", 0, "idle `time` after which a session ends (default Cleanup.InactiveAfter)")
	limit := flags.Int("limit", 0, "end `N` sessions at most; 0: all")
	dryRun := flags.Bool("dry-run", false, "count them, end and remove none")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), cleanupHelp)
		flags.PrintDefaults()
	}
	for _, a := range args {
		if a == "-h" || a == "-help" || a == "--help" {
			flags.SetOutput(out)
		}
	}
	usage := func(problem string) int {
		fmt.Fprintf(errOut, "authsession cleanup: %s; see authsession cleanup --help\n", problem)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		return usage(fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case *limit < 0:
		return usage("--limit is negative")
	}
	var c authsession.Config
	if _, err := conf.Load(*file, &c); err != nil {
		fmt.Fprintf(errOut, "authsession cleanup: %v\n", err)
		return exitFailed
	}
	if *olderThan == 0 {
		*olderThan = c.Cleanup.InactiveAfter
	}
	if least := c.LeastInactive(); *olderThan < least {
		return usage(fmt.Sprintf("--older-than is below %v: sessions in use would end", least))
	}
	logx.SetWriter(logx.NewWriter(io.Discard)) // the summary says it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	summary, err := authsession.Cleanup(ctx, c, authsession.CleanupOptions{OlderThan: *olderThan, Limit: *limit, DryRun: *dryRun})
	report := cleanupReport{
		Result: summary.Result, Sessions: summary.Sessions, Batches: summary.Batches, DryRun: *dryRun,
		OlderThan: olderThan.String(), Removed: removedReport{summary.Removed.Logins, summary.Removed.History, summary.Removed.Devices},
		KeepEnded: c.Cleanup.KeepEnded.String(), TookMS: summary.Took.Round(time.Millisecond).Milliseconds(),
	}
	if err != nil {
		report.Error = err.Error()
	}
	if err := json.NewEncoder(out).Encode(report); err != nil {
		return exitFailed
	}
	switch summary.Result {
	case authsession.CleanupDone, authsession.CleanupLimit:
		return exitDone
	case authsession.CleanupBusy:
		return exitBusy
	}
	return exitFailed
}
