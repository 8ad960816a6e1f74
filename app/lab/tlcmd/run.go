package tlcmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

const usage = `usage:
  lab tl transcode [--tables SET]           JSON lines on standard input, one answer line each
  lab tl decode [--tables SET] [DATA]       prints hex or base64 TL (DATA or standard input) as a tree

SET is a shipped release (%s) or a table-set file; default %s.

transcode reads   {"name","direction":"tl2pb"|"pb2tl","layer","message","tl_hex"|"pb_hex"}
and writes        {"name","out_hex"} or {"name","error"}
message is a protobuf message: an object (User), a request (TL_auth_signIn) or a vector (Vector_User).
`

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Run executes "lab tl ARGS" and returns the exit code: 0, also for help, which goes to stdout; 1 when the work failed; 2 for
// wrong arguments. A line that
// transcode cannot transcode is an answer, not a failure.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		help(stderr)
		return exitUsage
	}
	if slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		help(stdout)
		return exitOK
	}
	fs := flag.NewFlagSet("lab tl "+args[0], flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	tables := fs.String("tables", tl.Default, "table set")
	switch err := fs.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		help(stdout)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "lab tl %s: %v\n\n", args[0], err)
		help(stderr)
		return exitUsage
	}
	var err error
	switch args[0] {
	case "transcode":
		err = runTranscode(*tables, fs.Args(), stdin, stdout)
	case "decode":
		err = runDecode(*tables, fs.Args(), stdin, stdout)
	default:
		fmt.Fprintf(stderr, "lab tl: no command %q\n\n", args[0])
		help(stderr)
		return exitUsage
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		help(stderr)
		return exitUsage
	}
	fmt.Fprintf(stderr, "lab tl %s: %v\n", args[0], err)
	return exitFailure
}

var errUsage = errors.New("usage")

func help(w io.Writer) { fmt.Fprintf(w, usage, strings.Join(tl.Releases(), ", "), tl.Default) }

func shipped(name string) bool { return slices.Contains(tl.Releases(), name) }

func runTranscode(tables string, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 0 {
		return errUsage
	}
	open := tl.Open
	if shipped(tables) {
		open = tl.Load
	}
	s, err := open(tables)
	if err != nil {
		return err
	}
	return Transcode(s, stdin, stdout)
}

func runDecode(tables string, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) > 1 {
		return errUsage
	}
	read := tl.OpenSet
	if shipped(tables) {
		read = tl.ReadSet
	}
	set, err := read(tables)
	if err != nil {
		return err
	}
	var text []byte
	if len(args) == 1 && args[0] != "-" {
		text = []byte(args[0])
	} else if text, err = io.ReadAll(io.LimitReader(stdin, maxInput+1)); err != nil {
		return err
	}
	if len(text) > maxInput {
		return fmt.Errorf("input is larger than %d bytes", maxInput)
	}
	payload, err := parseBytes(string(text))
	if err != nil {
		return err
	}
	return Decode(set, payload, stdout)
}

// Decode prints a TL payload as a tree. What follows a mistake in the payload is printed as hex.
func Decode(set *tlset.Set, payload []byte, w io.Writer) error {
	p := newPrinter(set, payload, w)
	return p.payload()
}
