// Package doctor is what `session doctor` looks at (app/internal/doctor): the peers
// that session.yaml names, and whether they fit together.
//
// Of each peer it asks what a stock one answers, too, and what changes nothing: of
// status the users online among none; of a BFF help.getConfig; of all, by a method
// that they cannot have, whether they serve what session calls. authsession has no
// call that changes nothing and asks nothing of its store, but one: a request
// without its data, which is refused before anything is looked up.
package doctor

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/gateway"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

// Checks are those of the configuration at file. now is the clock that others are
// held against.
func Checks(file string, now func() time.Time) []doctor.Check {
	var c config.Config
	warnings, err := conf.Load(file, &c)
	checks := []doctor.Check{doctor.Config(file, append(warnings, c.Advice()...), conf.Notes(file, &c), err)}
	if err != nil {
		return append(checks, doctor.Check{Name: "cluster", Needs: "config"})
	}
	b := newBFFs(c, now)
	peers := []doctor.Peer{authSession(c), statusService(c), gateways(c)}
	peers = append(peers, b.peers()...)
	nodes := ring{self: rpcserver.PublishedAddress(c.ListenOn)}
	alone := len(c.Etcd.Hosts) == 0 || c.Etcd.Key == ""
	if !alone {
		peers = append(peers, nodes.peer(c))
	}
	checks = append(checks, doctor.Etcds(peers)...)
	checks = append(checks, b.schemaCheck(), b.routesCheck())
	for _, p := range peers {
		checks = append(checks, p.Checks()...)
	}
	if alone {
		return append(checks, doctor.Check{Name: "ring", Run: func(context.Context) doctor.Result {
			return doctor.Well("no Etcd in the configuration: a node owns every key")
		}})
	}
	return append(checks, nodes.check())
}

func authSession(c config.Config) doctor.Peer {
	p := doctor.Peer{Name: "authsession", Path: "AuthSession", Client: c.AuthSession, Absent: doctor.Fault, Start: "start authsession"}
	called := calling(&p, authsession.RPCAuthsession_ServiceDesc.ServiceName, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := authsession.NewRPCAuthsessionClient(conn).AuthsessionSetClientSessionInfo(ctx, &authsession.TLAuthsessionSetClientSessionInfo{})
		return err
	})
	p.Ask = func(ctx context.Context, conn *grpc.ClientConn) (doctor.Result, error) {
		r, err := called(ctx, conn)
		if err != nil || len(r.Findings) > 0 {
			return r, err
		}
		ours, err := doctor.Serves(ctx, conn, authsession.RPCSessionManager_ServiceDesc.ServiceName)
		if err == nil && !ours {
			r.Well += "; a stock one, without the calls of ours"
		}
		return r, err
	}
	return p
}

func statusService(c config.Config) doctor.Peer {
	p := doctor.Peer{Name: "status", Path: "StatusClient", Client: c.StatusClient, Absent: doctor.Fault, Start: "start the status service"}
	p.Ask = calling(&p, statuspb.RPCStatus_ServiceDesc.ServiceName, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := statuspb.NewRPCStatusClient(conn).StatusGetUsersOnlineSessionsList(ctx, &statuspb.TLStatusGetUsersOnlineSessionsList{})
		return err
	})
	return p
}

// calling is a Peer.Ask: whether the node serves the service, and lets a call of it in
// that changes nothing, whatever it answers.
func calling(p *doctor.Peer, service string, call func(context.Context, *grpc.ClientConn) error) func(context.Context, *grpc.ClientConn) (doctor.Result, error) {
	served := doctor.AskWhether(service)
	return func(ctx context.Context, conn *grpc.ClientConn) (doctor.Result, error) {
		r, err := served(ctx, conn)
		if err != nil || len(r.Findings) > 0 {
			return r, err
		}
		err = call(ctx, conn)
		if doctor.NoAnswer(err) {
			return doctor.Result{}, err
		}
		if refused, ok := p.Refused(err); !ok {
			return refused, nil
		}
		return r, nil
	}
}

// gateways are asked for their services alone: what they have but those would reach
// a client.
func gateways(c config.Config) doctor.Peer {
	p := doctor.Peer{Name: "gateway", Path: "GatewayClient", Client: c.GatewayClient, Absent: doctor.Fault, Start: "start a gateway"}
	unary := doctor.AskWhether(gateway.RPCGateway_ServiceDesc.ServiceName)
	p.Ask = func(ctx context.Context, conn *grpc.ClientConn) (doctor.Result, error) {
		if r, err := unary(ctx, conn); err != nil || len(r.Findings) > 0 {
			return r, err
		}
		streams, err := doctor.Serves(ctx, conn, gateway.RPCGatewayStream_ServiceDesc.ServiceName)
		switch {
		case err != nil:
			return doctor.Result{}, err
		case !streams && c.UseStreamGateway != nil && *c.UseStreamGateway:
			return doctor.Wrong(doctor.Fault, "UseStreamGateway", "take it out: such gateways are called unary then", "has no streams, and nothing else is tried"), nil
		case !streams:
			return doctor.Well("answers; has no streams, so that calls are unary"), nil
		}
		return doctor.Well("answers"), nil
	}
	return p
}

// answer is an error of a call in the words of its server.
func answer(err error) string {
	s := status.Convert(err)
	return s.Code().String() + " " + s.Message()
}
