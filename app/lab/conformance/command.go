package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/gotd/td/crypto"
)

// Exit codes of Main.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Main executes "lab conformance ARGS" and returns the exit code: 0 when
// nothing failed, 1 when a rule did or nobody could be asked, 2 for wrong usage.
func Main(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("lab conformance", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var t Target
	fs.StringVar(&t.Addr, "addr", "", "`host:port` of the gateway to ask, over TCP")
	fs.StringVar(&t.HTTP, "http", "", "`host:port` where it speaks HTTP (default the same)")
	key := fs.String("rsa-key", "", "PEM `file` with the gateway's public RSA key")
	fs.IntVar(&t.DC, "dc", 2, "`id` of its data centre")
	only := fs.String("test", "", "ask about rules only whose id matches this `regexp`")
	asJSON := fs.Bool("json", false, "print JSON in place of a table")
	summary := fs.Bool("summary", false, "print how many rules of each chapter hold")
	fs.StringVar(&t.Phone, "phone", "", "log in with this phone `number`, for the rules that need a user")
	fs.StringVar(&t.Code, "code", "", "the login `code` that the number gets")
	fs.StringVar(&t.PasswordPhone, "password-phone", "", "a `number` with the same code whose account has a password, for the rule that needs one")
	fs.StringVar(&t.SlowMethod, "slow-method", "", "a `method` without arguments that takes seconds, for the rules that need a slow call; lab run has help.getCdnConfig")
	fs.DurationVar(&t.Patience, "patience", defaultPatience, "how long an answer may take")
	fs.IntVar(&t.Workers, "workers", defaultWorkers, "`checks` at a time")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	usage := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "lab conformance: "+format+"\n", args...)
		return exitUsage
	}
	var err error
	switch {
	case fs.NArg() > 0:
		return usage("unexpected argument %q", fs.Arg(0))
	case t.Addr == "" || *key == "":
		return usage("--addr and --rsa-key are needed")
	case (t.Phone == "") != (t.Code == ""):
		return usage("--phone and --code belong together")
	case t.PasswordPhone != "" && t.Code == "":
		return usage("--password-phone needs --code")
	case t.DC <= 0 || t.Workers <= 0 || t.Patience <= 0:
		return usage("--dc, --workers and --patience are above 0")
	}
	if *only != "" {
		if t.Only, err = regexp.Compile(*only); err != nil {
			return usage("--test: %v", err)
		}
	}
	if t.SlowMethod != "" {
		if _, err := emptyCall(t.SlowMethod); err != nil {
			return usage("--slow-method: %v", err)
		}
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return usage("--rsa-key: %v", err)
	}
	keys, err := crypto.ParseRSAPublicKeys(pem)
	if err != nil || len(keys) == 0 {
		return usage("--rsa-key: no RSA public key in %s", *key)
	}
	t.Key = keys[0]
	rows, err := Run(context.Background(), &t)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailure
	}
	print := Print
	switch {
	case *asJSON:
		print = PrintJSON
	case *summary:
		print = PrintSummary
	}
	if err := print(stdout, rows); err != nil || Failed(rows) {
		return exitFailure
	}
	return exitOK
}
