package rpcserver

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/tgsession/tgsession/app/internal/buildinfo"
	"github.com/tgsession/tgsession/app/internal/conf"
)

func isHelp(argument string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--h", "--help"}, argument)
}

// Flags reads the command line of a program: -f names the configuration file,
// -version prints the build, -print-config the configuration that the file gives, into
// v, and whatever the program defined on
// flag.CommandLine before. about is a sentence for the usage message. over
// says that the program is done, with code.
func Flags(program, about string, v conf.Tabled) (file string, code int, over bool) {
	flag.StringVar(&file, "f", "etc/"+program+".yaml", "configuration `file`")
	version := flag.Bool("version", false, "print the version and exit")
	show := flag.Bool("print-config", false, "print the configuration with all values that hold, secrets masked, and exit")
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
	case *show:
		return file, printConfig(program, file, v), true
	}
	return file, 0, false
}

// printConfig prints what the file at path makes of v, and returns the exit code.
func printConfig(program, path string, v conf.Tabled) int {
	text, warnings, err := conf.Print(path, v)
	for _, w := range warnings {
		fmt.Fprintf(os.Stderr, "%s: warning: %s\n", program, w)
	}
	if err != nil {
		return Fail(program, err)
	}
	fmt.Print(text)
	return 0
}
