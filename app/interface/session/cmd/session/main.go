// Command session is the session service.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
	"github.com/tgsession/tgsession/app/internal/buildinfo"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

const program = "session"

func main() { os.Exit(run()) }

func run() int {
	file := flag.String("f", "etc/session.yaml", "the configuration file")
	version := flag.Bool("version", false, "say which build this is, and exit")
	flag.Parse()
	if *version {
		fmt.Println(buildinfo.String(program))
		return 0
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
	for _, w := range warnings { // the log is set up now
		svc.Warn(w)
	}
	if err := rpcserver.Run(s, rpcserver.Budget(c.RpcServerConf)); err != nil {
		return rpcserver.Fail(program, err)
	}
	return 0
}
