package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeromicro/go-zero/core/logx"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/cluster"
)

// options are the flags run and demo have in common.
type options struct {
	data, mysql, redis, etcd string
	stream                   bool
}

func (o *options) define(fs *flag.FlagSet, data string) {
	fs.StringVar(&o.data, "data", "", "`directory` for keys, configuration files and logs (default "+data+")")
	fs.StringVar(&o.mysql, "mysql", "", "`DSN` of a real MySQL or MariaDB (default: an embedded one, in memory)")
	fs.StringVar(&o.redis, "redis", "", "`host:port` of a real Redis (default: an embedded one)")
	fs.StringVar(&o.etcd, "etcd", "", "`host:port[,…]` of a real etcd (default: an embedded one)")
	fs.BoolVar(&o.stream, "stream", false, "speak to session through streams in place of unary calls")
}

// parse reads the flags; ok is false when the command is over, with code.
func parse(fs *flag.FlagSet, args []string) (code int, ok bool) {
	fs.SetOutput(os.Stderr)
	for _, a := range args {
		if a == "-h" || a == "-help" || a == "--help" {
			fs.SetOutput(os.Stdout)
		}
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK, false
	case err != nil:
		return exitUsage, false
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return exitUsage, false
	}
	return exitOK, true
}

// config turns the options into a cluster's configuration and sends all logs
// of this process to files. close ends them.
func (o *options) config() (cfg cluster.Config, close func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return cfg, nil, err
	}
	logs := filepath.Join(o.data, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return cfg, nil, err
	}
	out, err := os.OpenFile(filepath.Join(logs, "lab.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return cfg, nil, err
	}
	logx.DisableStat()
	logx.SetWriter(logx.NewWriter(out))
	zapConfig := zap.NewProductionConfig()
	zapConfig.OutputPaths = []string{filepath.Join(logs, "bff.log")}
	bffLog, err := zapConfig.Build()
	if err != nil {
		return cfg, nil, errors.Join(err, out.Close())
	}
	return cluster.Config{
		Dir:           o.data,
		MySQL:         o.mysql,
		Redis:         o.redis,
		Etcd:          split(o.etcd),
		Session:       []string{self, "service", "session"},
		AuthSession:   []string{self, "service", "authsession"},
		StreamSession: o.stream,
		Log:           slog.New(slog.NewTextHandler(out, nil)),
		BFFLog:        bffLog,
	}, func() { logx.SetWriter(logx.NewWriter(io.Discard)); _ = bffLog.Sync(); _ = out.Close() }, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// fail reports why a command did not do its work.
func fail(command string, err error) int {
	fmt.Fprintf(os.Stderr, "lab %s: %v\n", command, err)
	return exitFailure
}
