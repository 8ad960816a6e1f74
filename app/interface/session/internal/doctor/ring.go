package doctor

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/proto/session"
)

// ring is what is known of the session nodes. No call tells whom a node takes for
// the others: what can be told is that the list, which all of them follow, names
// nobody who is not there.
type ring struct {
	self   string // the address of this configuration
	listed []string

	mu       sync.Mutex
	answered []string
}

func (n *ring) peer(c config.Config) doctor.Peer {
	return doctor.Peer{
		Name: "session", Client: zrpc.RpcClientConf{Etcd: c.Etcd, App: c.Nodes.App, Token: c.Nodes.Token},
		Absent: doctor.Warn, Start: "start session",
		Ask:    doctor.AskWhether(session.RPCSession_ServiceDesc.ServiceName),
		Listed: func(addresses []string) { n.listed = addresses },
		Answered: func(address string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.answered = append(n.answered, address)
		},
	}
}

// check comes after those of the nodes.
func (n *ring) check() doctor.Check {
	return doctor.Check{Name: "ring", Needs: "session", Run: func(context.Context) doctor.Result {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.listed) == 0 {
			return doctor.Result{Skipped: "no session node is registered"}
		}
		silent := slices.DeleteFunc(slices.Clone(n.listed), func(a string) bool { return slices.Contains(n.answered, a) })
		if len(silent) > 0 {
			return doctor.Wrong(doctor.Fault, "", "see the lines of these nodes", "%d of %d nodes do not answer, and about as many of the keys are theirs: %s", len(silent), len(n.listed), strings.Join(silent, ", "))
		}
		self := "is one of them"
		if !slices.Contains(n.listed, n.self) {
			self = "is not among them (not started, or on another host)"
		}
		return doctor.Well("all %d registered nodes answer; this configuration's address, %s, %s", len(n.listed), n.self, self)
	}}
}
