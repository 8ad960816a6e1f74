// Command session is the session service.
package main

import (
	"os"
	"time"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/interface/session/internal/ctl"
	checks "github.com/tgsession/tgsession/app/interface/session/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/confreload"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/healthcheck"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

const program = "session"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == "doctor" {
		return doctor.Command(program, os.Args[2:], os.Stdout, os.Stderr, func(file string) []doctor.Check { return checks.Checks(file, time.Now) })
	}
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		return healthcheck.Command(program, os.Args[2:], os.Stdout, os.Stderr, server)
	}
	if len(os.Args) > 1 && os.Args[1] == "ctl" {
		return ctl.Run(os.Args[2:], os.Stdout, os.Stderr)
	}
	file, code, over := rpcserver.Flags(program, `Serves MTProto sessions between gateways and BFFs.
"session doctor" looks the configuration and the cluster that it names over: session doctor --help.
"session ctl" sees what a node has in memory: session ctl --help.
"session healthcheck" asks the node of this host whether it is ready: session healthcheck --help.`, new(session.Config))
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
	if err := rpcserver.Run(s, rpcserver.Budget(c.RpcServerConf), confreload.New(c.Name, file, c, s.Reload).Run); err != nil {
		return rpcserver.Fail(program, err)
	}
	return 0
}

// server is what a configuration file says of the server.
func server(file string) (healthcheck.Server, error) {
	var c session.Config
	_, err := conf.Load(file, &c)
	return healthcheck.Server{Conf: c.RpcServerConf, App: c.Nodes.App, Token: c.Nodes.Token}, err
}
