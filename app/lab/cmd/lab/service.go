package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/lab/chaos/gate"
	"github.com/tgsession/tgsession/app/lab/floor"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/app/service/authsession"
)

// runService makes this process one of the pair, a gateway or the floor: go-zero's log, metrics and
// signals belong to a process, and a restart has to be a real one.
func runService(args []string) int {
	services := map[string]func(file string) error{"session": serveSession, "authsession": serveAuthSession, "gateway": gate.Serve, "floor": floor.Serve}
	if len(args) == 0 || services[args[0]] == nil {
		help := len(args) > 0 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help")
		fmt.Fprintln(os.Stderr, "usage: lab service session|authsession|gateway|floor -f FILE")
		if help {
			return exitOK
		}
		return exitUsage
	}
	program := args[0]
	fs := flag.NewFlagSet("lab service "+program, flag.ContinueOnError)
	file := fs.String("f", "", "configuration `file`")
	if code, ok := parse(fs, args[1:]); !ok {
		return code
	}
	proc.WatchParent()
	if err := services[program](*file); err != nil {
		return rpcserver.Fail(program, err)
	}
	return exitOK
}

func serveSession(file string) error {
	var c session.Config
	warnings, err := conf.Load(file, &c)
	if err != nil {
		return err
	}
	s, err := session.New(c)
	if err != nil {
		return err
	}
	return serve("session", s, rpcserver.Budget(c.RpcServerConf), c.Log, warnings)
}

func serveAuthSession(file string) error {
	var c authsession.Config
	warnings, err := conf.Load(file, &c)
	if err != nil {
		return err
	}
	s, err := authsession.New(c)
	if err != nil {
		return err
	}
	return serve("authsession", s, s.Budget(), c.Log, warnings)
}

func serve(program string, s rpcserver.Service, budget time.Duration, log logx.LogConf, warnings []string) error {
	rpcserver.Warn(program, log, warnings...)
	return rpcserver.Run(s, budget, nil)
}
