// Command session is the session service.
package main

import (
	"os"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

const program = "session"

func main() { os.Exit(run()) }

func run() int {
	file, code, over := rpcserver.Flags(program, "Serves MTProto sessions between gateways and BFFs.")
	if over {
		return code
	}

	var c session.Config
	warnings, err := conf.Load(file, &c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	s, err := session.New(c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	rpcserver.Warn(program, c.Log, append(warnings, c.Advice()...)...)
	rpcserver.Note(conf.Notes(file, &c)...)
	if err := rpcserver.Run(s, rpcserver.Budget(c.RpcServerConf)); err != nil {
		return rpcserver.Fail(program, err)
	}
	return 0
}
