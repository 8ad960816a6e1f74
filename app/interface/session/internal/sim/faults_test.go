package sim

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Faults that session once had are found when they come back. Each is put back by
// what stands between a machine and its node, or between a node and its peers.
func TestFaultsAreFound(t *testing.T) {
	const seeds = 100
	for _, x := range []struct {
		name       string
		fault      func() Options
		invariants []string
	}{
		{"who comes back is not told of an absence", sabotaged(forgetAbsences), []string{"convergence"}},
		{"a push that finds the mailbox full is forgotten", sabotaged(deafToWord[*sess.PushesLost]), []string{"convergence"}},
		{"what a session has received is forgotten with it", sabotaged(forgetSessions), []string{"at most once"}},
		{"a temp key is not told that it is bound", sabotaged(deafToWord[*sess.Bound]), []string{"at most once", "refusals"}},
		{"a temp key that has ended is one that was never bound", sabotaged(reviveKeys), []string{"at most once"}},
		{"whatever waits does so by a clock that is set", sabotaged(waitByTheClock), []string{"handlers", "leaks", "lingering", "convergence"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			requireFound(t, seeds, x.invariants, x.fault)
		})
	}
}

func sabotaged(make func() Sabotage) func() Options {
	return func() Options { return Options{Sabotage: make()} }
}

// forgetAbsences has a machine that has told status that nobody is there tell the
// next one who comes nothing of what happened meanwhile.
func forgetAbsences() Sabotage {
	absent, hidden := map[runloop.Machine]bool{}, map[int64]bool{}
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		for _, c := range out.Calls {
			if _, offline := c.Request.(*sess.SetOffline); offline {
				absent[m] = true
			}
		}
		filter(out, func(x wire.Message) bool {
			kind, _ := wire.PeekID(x.Body)
			if kind == wire.IDUpdatesTooLong && absent[m] {
				delete(absent, m)
				hidden[x.ID] = true
			}
			return hidden[x.ID]
		})
	}
}

// forgetSessions has a machine take a session that comes again after it has ended for
// one that it never had: it sees another id. Not over HTTP.
func forgetSessions() Sabotage {
	type place struct {
		m  runloop.Machine
		id int64
	}
	ends, real, http := map[place]int64{}, map[int64]int64{}, map[int64]bool{}
	const another = 0x9e3779b97f4a7c1
	seen := func(m runloop.Machine, id int64) int64 {
		if http[id] {
			return id
		}
		as := id + another*ends[place{m, id}]
		real[as] = id
		return as
	}
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			http[in.SessionID] = http[in.SessionID] || in.HTTP != 0
			in.SessionID = seen(m, in.SessionID)
		case *sess.ConnClosed:
			in.SessionID = seen(m, in.SessionID)
		case *sess.SendFailed:
			in.SessionID = seen(m, in.SessionID)
		}
		before := viewOf(m).Sessions
		m.Step(now, wall, in, out)
		after := viewOf(m).Sessions
		for _, s := range before {
			if !slices.ContainsFunc(after, func(o sess.SessionView) bool { return o.Life == s.Life }) && out.Handover == nil {
				ends[place{m, cmp.Or(real[s.ID], s.ID)}]++
			}
		}
		for i := range out.Sends {
			s := &out.Sends[i]
			s.SessionID = cmp.Or(real[s.SessionID], s.SessionID)
			binary.LittleEndian.PutUint64(s.Payload[8:], uint64(s.SessionID)) //nolint:gosec // same bits
		}
		for _, c := range out.Calls {
			if r, ok := c.Request.(*sess.InvokeMethod); ok {
				r.Meta.SessionID = cmp.Or(real[r.Meta.SessionID], r.Meta.SessionID)
			}
		}
	}
}

// viewOf is what a machine holds.
func viewOf(m runloop.Machine) (v sess.View) {
	m.(interface{ Inspect(*sess.View) }).Inspect(&v) //nolint:forcetypeassert // the real one's
	return v
}

// reviveKeys takes dead temp keys for new ones.
func reviveKeys() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok {
			d.Dead = false
		}
		m.Step(now, wall, in, out)
	}
}

// waitByTheClock has a machine take what the clock says for the time.
func waitByTheClock() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(wall, wall, in, out)
		if out.WakeAt != 0 {
			out.WakeAt += now - wall
		}
	}
}
