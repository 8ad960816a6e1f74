// Package doctor is what `authsession doctor` looks at (app/internal/doctor): the
// database and the Redis nodes that authsession.yaml names, and the other nodes.
package doctor

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/session"
)

// Checks are those of the configuration at file. now is the clock that others are
// held against.
func Checks(file string, now func() time.Time) []doctor.Check {
	var c config.Config
	warnings, err := conf.Load(file, &c)
	checks := []doctor.Check{doctor.Config(file, append(warnings, c.Unused()...), conf.Notes(file, &c), err)}
	if err != nil {
		return append(checks, doctor.Check{Name: "cluster", Needs: "config"})
	}
	peers := peers(c)
	checks = append(checks, doctor.Etcds(peers)...)
	checks = append(checks, mysqlChecks(c, now)...)
	checks = append(checks, redisChecks(c, now)...)
	for _, p := range peers {
		checks = append(checks, p.Checks()...)
	}
	return checks
}

// peers are the nodes of this service and of session. That none is there yet is no
// fault of a service that starts first.
func peers(c config.Config) (list []doctor.Peer) {
	if len(c.Etcd.Hosts) > 0 && c.Etcd.Key != "" {
		list = append(list, doctor.Peer{
			Name: "authsession", Client: zrpc.RpcClientConf{Etcd: c.Etcd}, Absent: doctor.Warn, Start: "start authsession",
			Ask: ask,
		})
	}
	nodes := c.Nodes()
	if len(nodes.Endpoints) > 0 || len(nodes.Etcd.Hosts) > 0 {
		list = append(list, doctor.Peer{
			Name: "session", Path: "SessionNodes", Client: nodes, Absent: doctor.Warn, Start: "start session",
			Ask: doctor.AskWhether(session.RPCSession_ServiceDesc.ServiceName),
		})
	}
	return list
}

// ask tells ours from a stock authsession, which serves the same tables.
func ask(ctx context.Context, conn *grpc.ClientConn) (doctor.Result, error) {
	r, err := doctor.AskWhether(authsession.RPCAuthsession_ServiceDesc.ServiceName)(ctx, conn)
	if err != nil || len(r.Findings) > 0 {
		return r, err
	}
	ours, err := doctor.Serves(ctx, conn, authsession.RPCSessionManager_ServiceDesc.ServiceName)
	switch {
	case err != nil:
		return doctor.Result{}, err
	case !ours:
		return doctor.Well("answers; a stock one"), nil
	}
	return r, nil
}
