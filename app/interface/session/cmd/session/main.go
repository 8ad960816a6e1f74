// Command session is the session service.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/internal/buildinfo"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

const program = "session"

func main() { os.Exit(run()) }

func run() int {
	file := flag.String("f", "etc/session.yaml", "configuration `file`")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "Usage: %s [flags]\n\nServes MTProto sessions between gateways and BFFs.\n\n", program)
		flag.PrintDefaults()
	}
	flag.Parse()
	if *version {
		fmt.Println(buildinfo.String(program))
		return 0
	}
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q; see %s --help\n", program, flag.Arg(0), program)
		return 2
	}

	var c session.Config
	warnings, err := conf.Load(*file, &c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	s, err := session.New(c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	rpcserver.Warn(program, c.Log, warnings...)
	if err := rpcserver.Run(s, rpcserver.Budget(c.RpcServerConf)); err != nil {
		return rpcserver.Fail(program, err)
	}
	return 0
}
