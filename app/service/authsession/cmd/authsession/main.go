// Command authsession serves authsession.RPCAuthsession: who owns which key,
// on which device.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/confreload"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/healthcheck"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	authsession "github.com/tgsession/tgsession/app/service/authsession"
	"github.com/tgsession/tgsession/app/service/authsession/internal/ctl"
	checks "github.com/tgsession/tgsession/app/service/authsession/internal/doctor"
)

const program = "authsession"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) > 1 && os.Args[1] == "ctl" {
		return ctl.Run(os.Args[2:], os.Getenv, os.Stdout, os.Stderr)
	}
	if len(os.Args) > 1 && os.Args[1] == "cleanup" {
		return cleanup(os.Args[2:], os.Stdout, os.Stderr)
	}
	if len(os.Args) > 1 && os.Args[1] == "doctor" {
		return doctor.Command(program, os.Args[2:], os.Stdout, os.Stderr, func(file string) []doctor.Check { return checks.Checks(file, time.Now) })
	}
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		return healthcheck.Command(program, os.Args[2:], os.Stdout, os.Stderr, server)
	}
	places := flag.String("mmdb", "./GeoLite2-City.mmdb", "GeoLite2 City `file` for the list of devices; overrides GeoIP.Path, may be missing")
	migrate := flag.Bool("migrate", false, "bring the database's schema up to date and exit; the tables of a stock install must be there")
	create := flag.Bool("create", false, "with -migrate: make these tables in a database that has none of them")
	show := flag.Bool("print", false, "with -migrate: print the statements that would change tables, as SQL, and change nothing")
	unmigrate := flag.Bool("unmigrate", false, "take the schema back to a stock install's and exit; what only our tables know is lost; refused while one of our nodes serves")
	force := flag.Bool("force", false, "with -unmigrate: also while one of our nodes serves, or where etcd does not tell")
	reseal := flag.Bool("reseal", false, "store all auth keys as KeyEncryption says and exit; nodes may go on serving")
	file, code, over := rpcserver.Flags(program, "Keeps auth keys, logins and devices for session and the BFF.\n`authsession ctl` sees and ends sessions: authsession ctl --help.\n`authsession cleanup` ends those that nobody uses: authsession cleanup --help.\n`authsession doctor` looks the configuration and what it names over: authsession doctor --help.\n`authsession healthcheck` asks the one of this host whether it is ready: authsession healthcheck --help.", new(authsession.Config))
	if over {
		return code
	}

	var c authsession.Config
	warnings, err := conf.Load(file, &c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	written := c
	named := false
	flag.Visit(func(f *flag.Flag) { named = named || f.Name == "mmdb" })
	if _, err := os.Stat(*places); named || c.GeoIP.Path == "" && err == nil {
		c.GeoIP.Path = *places
	}

	if *migrate && *show {
		due, err := authsession.Due(context.Background(), c)
		if err != nil {
			return rpcserver.Fail(program, err)
		}
		fmt.Print(printed(due))
		return 0
	}

	if *migrate || *unmigrate {
		var list []string
		done := "applied"
		if *unmigrate {
			done = "taken back:"
			list, err = authsession.Unmigrate(context.Background(), c, *force)
		} else {
			list, err = authsession.Migrate(context.Background(), c, *create)
		}
		if err != nil {
			return rpcserver.Fail(program, err)
		}
		for _, name := range list {
			fmt.Println(done, name)
		}
		if *migrate {
			fmt.Println("the schema is up to date")
		}
		return 0
	}

	if *reseal {
		rewritten, err := authsession.Reseal(context.Background(), c)
		fmt.Println("auth keys rewritten:", rewritten)
		if err != nil {
			return rpcserver.Fail(program, err)
		}
		return 0
	}

	s, err := authsession.New(c)
	if err != nil {
		return rpcserver.Fail(program, err)
	}
	rpcserver.Warn(program, c.Log, append(warnings, c.Unused()...)...)
	rpcserver.Note(conf.Notes(file, &c)...)
	if err := rpcserver.Run(s, s.Budget(), confreload.New(c.Name, file, written, s.Reload).Run); err != nil {
		return rpcserver.Fail(program, err)
	}
	return 0
}

// server is what a configuration file says of the server.
func server(file string) (healthcheck.Server, error) {
	var c authsession.Config
	_, err := conf.Load(file, &c)
	return healthcheck.Server{Conf: c.RpcServerConf}, err
}

// printed is a script of the statements that are due.
func printed(due []string) string {
	if len(due) == 0 {
		return "-- The tables are up to date.\n"
	}
	text := "-- Brings the tables up to date; run it in this order. An ALTER TABLE of a large\n" +
		"-- table can be left to gh-ost or pt-online-schema-change: --alter is what follows\n" +
		"-- the table's name. Then run authsession -migrate: it finds nothing to alter, and\n" +
		"-- does the rest.\n"
	for _, s := range due {
		text += s + ";\n"
	}
	return text
}
