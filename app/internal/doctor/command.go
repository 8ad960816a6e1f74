package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"unicode"

	"github.com/zeromicro/go-zero/core/logx"
)

// Exit codes.
const (
	exitWell = iota
	exitFault
	exitUsage
)

const help = `Usage: %[1]s doctor [flags]

Looks the configuration and the cluster that it names over: what is registered in
etcd and answers, and whether all fits together. It changes nothing, and needs no
running %[1]s. Prints a line a check: ok, WARN (works, and may not for long or not
for all), FAULT (does not work) or skip (cannot be told), with what is wrong and the
key of the configuration to change.
Exit code: 0 no fault, 1 a fault, 2 wrong usage.

`

// Command is `PROGRAM doctor` with the arguments args. checks makes the checks of
// the configuration at file.
func Command(program string, args []string, stdout, stderr io.Writer, checks func(file string) []Check) int {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("f", "etc/"+program+".yaml", "configuration `file`")
	output := flags.String("o", "table", "`table` or json")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), help, program)
		flags.PrintDefaults()
	}
	if slices.ContainsFunc(args, func(a string) bool { return slices.Contains([]string{"help", "-h", "-help", "--help"}, a) }) {
		flags.SetOutput(stdout)
		flags.Usage()
		return exitWell
	}
	wrong := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "%s doctor: %s; see %s doctor --help\n", program, fmt.Sprintf(format, args...), program)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitWell
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		return wrong("unexpected argument %q", flags.Arg(0))
	case *output != "table" && *output != "json":
		return wrong("-o is %q, not table or json", *output)
	}
	logx.SetWriter(logx.NewWriter(io.Discard)) // what the libraries say of what is asked here is said here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tell := func(Line) {}
	if *output == "table" {
		tell = func(l Line) { fmt.Fprintln(stdout, l) }
	}
	report := Run(ctx, *file, checks(*file), tell)
	if *output == "json" {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return exitFault
		}
		fmt.Fprintf(stdout, "%s\n", text)
	} else {
		fmt.Fprintln(stdout, report)
	}
	if report.Faults > 0 || ctx.Err() != nil {
		return exitFault
	}
	return exitWell
}

var marks = map[Grade]string{OK: "ok", Warn: "WARN", Fault: "FAULT", Skipped: "skip"}

// String is the line as the table has it.
func (l Line) String() string {
	text := fmt.Sprintf("%-5s  %s", marks[l.Grade], l.Check)
	if l.Text != "" {
		text += ": " + l.Text
	}
	switch {
	case l.printed != "" && l.Fix != "":
		text += fmt.Sprintf(" -> %s: %s", l.printed, l.Fix)
	case l.printed != "" || l.Fix != "":
		text += " -> " + l.printed + l.Fix
	}
	return printable(text)
}

// String is the table's last line.
func (r Report) String() string {
	return fmt.Sprintf("%s: faults %d, warnings %d, ok %d, skipped %d", r.Config, r.Faults, r.Warnings, r.OK, r.Skipped)
}

// printable keeps what peers say of themselves from steering the terminal.
func printable(s string) string {
	out := []rune(s)
	for i, c := range out {
		if !unicode.IsPrint(c) {
			out[i] = ' '
		}
	}
	return string(out)
}
