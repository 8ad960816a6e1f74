// Command lab surrounds session and authsession with the rest of a cluster:
// to try them, to test them, to look at what they say.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tgsession/tgsession/app/lab/conformance"
	"github.com/tgsession/tgsession/app/lab/eventscmd"
	"github.com/tgsession/tgsession/app/lab/tlcmd"
	"github.com/tgsession/tgsession/app/lab/tlgencmd"
)

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// command is one subcommand; run gets the arguments behind its name.
type command struct {
	name, about string
	run         func(args []string) int
}

func commands() []command {
	return []command{
		{"run", "start a whole cluster and keep it until Ctrl-C", runCluster},
		{"demo", "start a whole cluster and drive it with real clients", runDemo},
		{"conformance", "ask any gateway and session service whether they keep MTProto's rules", func(args []string) int { return conformance.Main(args, os.Stdout, os.Stderr) }},
		{"clients", "walk real clients through what people do with them", runClients},
		{"chaos", "end, stop and cut off the parts of a cluster while real clients talk", runChaos},
		{"desktop", "have Telegram Desktop log in to a cluster", runDesktop},
		{"bench", "put load on a cluster and tell how it bears it", runBench},
		{"events", "print what happens to sessions: an example consumer of authsession's stream", func(args []string) int { return eventscmd.Run(args, os.Stdout, os.Stderr) }},
		{"service", "be session, authsession or a gateway, as the other commands start them", runService},
		{"inside", "run a program in the network namespace that desktop made for it", runInside},
		{"tl", "transcode and print TL", func(args []string) int { return tlcmd.Run(args, os.Stdin, os.Stdout, os.Stderr) }},
		{"tlgen", "make the table set of a Teamgram release", func(args []string) int { return tlgencmd.Run(args, os.Stdout, os.Stderr) }},
	}
}

func main() { os.Exit(dispatch(os.Args[1:])) }

func dispatch(args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(os.Stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(args[1:])
		}
	}
	fmt.Fprintf(os.Stderr, "lab: no command %q\n\n", args[0])
	usage(os.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: lab COMMAND [ARGS]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.about)
	}
	fmt.Fprint(w, "\nlab COMMAND --help tells more.\n")
}
