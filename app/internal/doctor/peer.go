package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/discovery"
)

// Peer is a service of the cluster, as a configuration names it.
type Peer struct {
	Name   string             // as its checks are called: "gateway"
	Path   string             // of its client in the configuration: "GatewayClient"; empty: the file's own Etcd
	Client zrpc.RpcClientConf // how it is found and called
	Absent Grade              // how bad it is that nobody is registered
	Start  string             // what to start then: "start a gateway"
	// Ask asks a node what changes nothing. An error means that it has not answered.
	Ask func(ctx context.Context, conn *grpc.ClientConn) (Result, error)
	// Listed gets the addresses before they are asked, and Answered each that answers.
	// Both may be nil; Answered is called from several goroutines.
	Listed   func(addresses []string)
	Answered func(address string)
}

const (
	answerTime = 3 * time.Second // of a node
	watchTime  = 5 * time.Second // that a lease is watched: one of 10 s is renewed every 3
	listLength = 8               // addresses that a line names
)

// key is the configuration's key of one of the peer's settings.
func (p *Peer) key(name string) string {
	return strings.TrimPrefix(p.Path+"."+name, ".")
}

// Checks are those of the list of nodes, which Peer.Name names, and of each node
// on it. The list needs the check of its etcd (Etcd).
func (p Peer) Checks() []Check {
	c := p.Client
	switch {
	case len(c.Endpoints) > 0:
		return []Check{{Name: p.Name, Run: func(context.Context) Result { return p.listed(c.Endpoints, nil) }}}
	case c.Target != "":
		return []Check{{Name: p.Name, Run: func(context.Context) Result { return p.listed([]string{c.Target}, nil) }}}
	}
	return []Check{{Name: p.Name, Needs: etcdName(c.Etcd), Run: p.registered}}
}

// registered asks etcd who is there.
func (p Peer) registered(ctx context.Context) Result {
	c := p.Client.Etcd
	etcd, err := discovery.NewAsker(ctx, c)
	if err != nil {
		return Wrong(Fault, p.key("Etcd.Hosts"), "correct it", "etcd: %v", err)
	}
	defer etcd.Close()
	list, err := etcd.Registered(ctx, c.Key)
	if err != nil {
		return Wrong(Fault, p.key("Etcd"), "let this account read it (User and Pass), or start etcd", "etcd does not list %s: %v", c.Key, err)
	}
	if len(list) == 0 {
		fix := p.Start
		others, err := etcd.Services(ctx) // an account may be allowed its own key alone
		if near := conf.Nearest(c.Key, others); err == nil && near != "" {
			fix += ", or set " + near + ", which is registered"
		} else if len(others) > 0 {
			fix += ", or set one of those that are registered: " + short(others)
		}
		return Wrong(p.Absent, p.key("Etcd.Key"), fix, "nobody is registered under %s", c.Key)
	}
	byAddress := map[string][]discovery.Registration{}
	var addresses []string
	for _, r := range list {
		if byAddress[r.Value] == nil {
			addresses = append(addresses, r.Value)
		}
		byAddress[r.Value] = append(byAddress[r.Value], r)
	}
	return p.listed(addresses, byAddress)
}

// listed is the result of a list.
func (p Peer) listed(addresses []string, byAddress map[string][]discovery.Registration) Result {
	if p.Listed != nil {
		p.Listed(addresses)
	}
	r := Well("%d: %s", len(addresses), short(addresses))
	if byAddress != nil {
		r = Well("%d under %s: %s", len(addresses), p.Client.Etcd.Key, short(addresses))
	}
	for _, address := range addresses {
		r.Then = append(r.Then, p.node(address, byAddress[address]))
	}
	return r
}

func short(list []string) string {
	if len(list) <= listLength {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:listLength], ", "), len(list)-listLength)
}

// node is the check of one node.
func (p Peer) node(address string, registered []discovery.Registration) Check {
	return Check{Name: p.Name + " " + address, Within: answerTime + watchTime + within, Run: func(ctx context.Context) Result {
		if _, _, err := net.SplitHostPort(address); err != nil && p.Client.Target == "" {
			return Wrong(Fault, "", "have that node publish host:port: its ListenOn, or POD_IP in its environment", "is no address that can be dialled: %v", err)
		}
		conn, err := p.dial(address)
		if err != nil {
			return Wrong(Fault, p.Path, "correct it", "no client can be made: %v", err)
		}
		defer conn.Close()
		bounded, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		r, err := p.Ask(bounded, conn)
		if err != nil {
			return p.silent(ctx, registered, err)
		}
		if p.Answered != nil {
			p.Answered(address)
		}
		if draining(bounded, conn) {
			r.Findings = append(r.Findings, Finding{Grade: Warn, Problem: "says that it is going down (gRPC health: NOT_SERVING)"})
		}
		return r
	}}
}

// dial makes a connection to one node, with the credentials of the client.
func (p Peer) dial(address string) (*grpc.ClientConn, error) {
	c := p.Client
	if c.Target == "" {
		c.Endpoints, c.Etcd = []string{address}, discov.EtcdConf{}
	}
	c.NonBlock = true
	c.Middlewares = zrpc.ClientMiddlewaresConf{}
	client, err := zrpc.NewClient(c)
	if err != nil {
		return nil, err
	}
	return client.Conn(), nil
}

// silent says why a node may not have answered, by what etcd knows of it: a node
// that has crashed is on the list until its lease ends.
func (p Peer) silent(ctx context.Context, registered []discovery.Registration, why error) Result {
	text := status.Convert(why).Message()
	if len(registered) == 0 {
		return Wrong(Fault, p.key("Endpoints"), "start it, or correct the address", "does not answer: %s", text)
	}
	for _, r := range registered {
		if r.Lease == 0 {
			return Wrong(Fault, "", "etcdctl del "+r.Key, "is registered without a lease (%s) and does not answer (%s): a node that is dead, or was never there", r.Key, text)
		}
	}
	newest := registered[len(registered)-1]
	ctx, cancel := context.WithTimeout(ctx, watchTime+within)
	defer cancel()
	etcd, err := discovery.NewAsker(ctx, p.Client.Etcd)
	if err != nil {
		return Wrong(Fault, "", "", "is registered (%s) and does not answer: %s", newest.Key, text)
	}
	defer etcd.Close()
	left, renewed, err := watch(ctx, etcd, newest.Lease)
	switch {
	case err != nil:
		return Wrong(Fault, "", "", "is registered (%s) and does not answer: %s", newest.Key, text)
	case renewed:
		return Wrong(Fault, "", "see whether it hangs, and whether its address (its ListenOn, or POD_IP in its environment) can be reached from here",
			"is registered (%s), renews its lease and does not answer: %s", newest.Key, text)
	case left == 0:
		return Wrong(Warn, "", "", "did not answer (%s), and etcd has dropped it meanwhile: it has crashed or was stopped", text)
	case left <= 2*watchTime:
		return Wrong(Warn, "", "", "does not answer (%s), and nobody renews its registration (%s): a node that is dead; etcd drops it in %v", text, newest.Key, left)
	}
	return Wrong(Fault, "", "etcdctl lease revoke "+fmt.Sprintf("%x", newest.Lease),
		"does not answer (%s), and nobody renews its registration (%s): a node that is dead; it stays for %v", text, newest.Key, left)
}

// watch looks whether somebody renews a lease.
func watch(ctx context.Context, etcd *discovery.Asker, lease int64) (left time.Duration, renewed bool, err error) {
	until := time.Now().Add(watchTime)
	last := time.Duration(0)
	for {
		left, err = etcd.Left(ctx, lease)
		switch {
		case err != nil || left == 0:
			return left, false, err
		case last > 0 && left > last:
			return left, true, nil
		case time.Now().After(until):
			return left, false, nil
		}
		last = left
		select {
		case <-ctx.Done():
			return left, false, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// draining reports whether a node that has gRPC's health service says that it does
// not serve.
func draining(ctx context.Context, conn *grpc.ClientConn) bool {
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
}

// Serves finds out whether a gRPC service ("gateway.RPCGateway") is served behind
// conn, by a call of a method that it cannot have: gRPC answers by itself, and says
// whether it is the method or the service that it does not know. Where something
// else answers, it counts as served. An error means that nobody has.
func Serves(ctx context.Context, conn *grpc.ClientConn, service string) (bool, error) {
	err := conn.Invoke(ctx, "/"+service+"/doctor", &emptypb.Empty{}, &emptypb.Empty{})
	if NoAnswer(err) {
		return false, err
	}
	return status.Code(err) != codes.Unimplemented || !strings.HasPrefix(status.Convert(err).Message(), "unknown service"), nil
}

// AskWhether is a Peer.Ask: whether the node serves all of the services.
func AskWhether(services ...string) func(context.Context, *grpc.ClientConn) (Result, error) {
	return func(ctx context.Context, conn *grpc.ClientConn) (Result, error) {
		for _, s := range services {
			switch served, err := Serves(ctx, conn, s); {
			case err != nil:
				return Result{}, err
			case !served:
				return Wrong(Fault, "", "see what is registered there", "answers, and does not serve %s: it is another service", s), nil
			}
		}
		return Well("answers"), nil
	}
}

// NoAnswer reports whether an error of a call is none of the server's.
func NoAnswer(err error) bool {
	return slices.Contains([]codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Canceled}, status.Code(err))
}

// Refused is what a call is answered whose caller is not let in; ok says that it is
// something else.
func (p *Peer) Refused(err error) (r Result, ok bool) {
	switch status.Code(err) {
	case codes.Unauthenticated:
		return Wrong(Fault, p.key("App"), "set App and Token to what the service's Auth lets in", "refuses the call: %s", status.Convert(err).Message()), false
	case codes.PermissionDenied:
		return Wrong(Fault, "", "let this host in there (AllowPeers)", "refuses the call: %s", status.Convert(err).Message()), false
	}
	return Result{}, true
}
