package rpcserver

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/tgsession/tgsession/app/internal/buildinfo"
)

func isHelp(argument string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--h", "--help"}, argument)
}

// Flags reads the command line of a program: -f names the configuration file,
// -version prints the build, and whatever the program defined on
// flag.CommandLine before. about is a sentence for the usage message. over
// says that the program is done, with code.
func Flags(program, about string) (file string, code int, over bool) {
	flag.StringVar(&file, "f", "etc/"+program+".yaml", "configuration `file`")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "Usage: %s [flags]\n\n%s\n\n", program, about)
		flag.PrintDefaults()
	}
	if slices.ContainsFunc(os.Args[1:], isHelp) { // asked for, and no mistake
		flag.CommandLine.SetOutput(os.Stdout)
		flag.Usage()
		return "", 0, true
	}
	flag.Parse()
	switch {
	case *version:
		fmt.Println(buildinfo.String(program))
		return file, 0, true
	case flag.NArg() > 0:
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q; see %s --help\n", program, flag.Arg(0), program)
		return file, 2, true
	}
	return file, 0, false
}
