package site

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/lab/chaos/links"
	"github.com/tgsession/tgsession/app/lab/chaos/part"
	"github.com/tgsession/tgsession/app/lab/chaos/plan"
	"github.com/tgsession/tgsession/app/lab/pause"
)

// delay is how much each piece of data is held up on a slow link: with both
// directions less than the 2 s that peers wait for each other.
const delay = 300 * time.Millisecond

func signals(t plan.Target) []plan.Type {
	return []plan.Type{{Kind: plan.Term, Target: t}, {Kind: plan.Kill, Target: t}, {Kind: plan.Stop, Target: t}}
}

// Faults that need something of the machine.
var (
	mariadbFaults = signals(plan.MariaDB)
	redisFaults   = signals(plan.Redis)
	etcdFaults    = signals(plan.Etcd)
	diskOfSession = plan.Type{Kind: plan.Full, Target: plan.SessionDisk}
	diskOfAuth    = plan.Type{Kind: plan.Full, Target: plan.AuthDisk}
)

// Make makes a fault, and returns when all is as before: the parts serve and the
// links pass. made says what was met. An error says that it could not be made or
// that a part did not come back.
func (s *Site) Make(ctx context.Context, f plan.Fault, made func(what string)) error {
	switch f.Kind {
	case plan.Term, plan.Kill, plan.Stop:
		p, still, gone, err := s.part(ctx, f)
		if err != nil {
			return err
		}
		made(p.Name)
		return s.signal(ctx, f, p, still, gone)
	case plan.Join:
		made("one more")
		n, err := s.startSession(ctx)
		s.extra = n
		return err
	case plan.Leave:
		made(s.extra.Name)
		p := s.extra
		s.extra = nil
		return p.Stop(ctx)
	case plan.Full:
		return s.fill(ctx, f, made)
	default:
		return s.link(ctx, f, made)
	}
}

// around does something, waits, and undoes it.
func around(ctx context.Context, long time.Duration, do, undo func() error) error {
	if err := do(); err != nil {
		return err
	}
	_ = pause.For(ctx, long)
	return undo()
}

// nothing is a fault of nobody's.
func nothing() func() error { return func() error { return nil } }

// part is the one that a fault meets. still and gone keep views of etcd from
// answering for a member that does not.
func (s *Site) part(ctx context.Context, f plan.Fault) (p *part.Part, still, gone func() func() error, err error) {
	pick := func(nodes []*node) *part.Part { return nodes[f.Node%len(nodes)].Part }
	switch f.Target {
	case plan.Session:
		return pick(s.sessions), nothing, nothing, nil
	case plan.AuthSession:
		return pick(s.auth), nothing, nothing, nil
	case plan.Gateway:
		return pick(s.gates), nothing, nothing, nil
	case plan.Redis:
		return s.servers.redis, nothing, nothing, nil
	case plan.MariaDB:
		return s.servers.mariadb, nothing, nothing, nil
	case plan.Etcd:
		if p, err = s.leader(ctx); err != nil {
			return nil, nil, nil, err
		}
		still = s.everywhere(func(l *links.Node) func() error { return l.MemberStill(p.Addr) })
		gone = s.everywhere(func(l *links.Node) func() error { return l.MemberGone(p.Addr) })
		return p, still, gone, nil
	default:
		return nil, nil, nil, fmt.Errorf("site: %s takes no signal", f.Target)
	}
}

// everywhere does something to the links of all session nodes.
func (s *Site) everywhere(do func(*links.Node) func() error) func() func() error {
	return func() func() error {
		var heal []func() error
		for _, n := range s.running() {
			heal = append(heal, do(n.links))
		}
		return func() error {
			var errs []error
			for _, h := range heal {
				errs = append(errs, h())
			}
			return errors.Join(errs...)
		}
	}
}

// running are the session nodes that run.
func (s *Site) running() []*node {
	if s.extra == nil {
		return s.sessions
	}
	return append(s.sessions[:len(s.sessions):len(s.sessions)], s.extra)
}

func (s *Site) signal(ctx context.Context, f plan.Fault, p *part.Part, still, gone func() func() error) error {
	if f.Kind == plan.Stop {
		heal := still()
		if err := around(ctx, f.For, p.Freeze, p.Thaw); err != nil {
			return err
		}
		return errors.Join(heal(), p.Ready(ctx))
	}
	end := p.Stop
	if f.Kind == plan.Kill {
		end = p.Kill
	}
	if err := end(ctx); err != nil {
		return err
	}
	heal := gone()
	if f.Kind == plan.Kill {
		_ = pause.For(ctx, f.For)
	}
	return errors.Join(p.Start(ctx), heal())
}

// link makes a fault of a link.
func (s *Site) link(ctx context.Context, f plan.Fault, made func(string)) error {
	l, kind, whose := s.between(f)
	made(whose)
	var heal func() error
	switch f.Kind {
	case plan.Hole:
		heal = l.Hole(kind)
	case plan.Cut:
		heal = l.Cut(kind)
	case plan.Delay:
		heal = l.Slow(kind, delay)
	default:
		return fmt.Errorf("site: no fault %s", f.Type)
	}
	_ = pause.For(ctx, f.For)
	return heal()
}

// between is the network of the node that a fault of a link meets, and which
// peers are cut off from it.
func (s *Site) between(f plan.Fault) (l *links.Node, kind, whose string) {
	session, auth := s.sessions[f.Node%len(s.sessions)], s.auth[f.Node%len(s.auth)]
	switch f.Target {
	case plan.SessionAuth:
		return session.links, toAuth, session.Name
	case plan.SessionEtcd:
		return session.links, toEtcd, session.Name
	case plan.SessionBFF:
		return session.links, toBFF, session.Name
	case plan.AuthRedis:
		return auth.links, toRedis, auth.Name
	case plan.AuthMariaDB:
		return auth.links, toMariaDB, auth.Name
	default:
		return s.status, toRedis, "status"
	}
}
