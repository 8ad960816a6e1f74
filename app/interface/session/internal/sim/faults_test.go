package sim

import (
	"testing"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Faults that session once had are found when they come back. Each is put back by
// what stands between a machine and its node, or between a node and its peers.
func TestFaultsAreFound(t *testing.T) {
	const seeds = 40
	for _, x := range []struct {
		name       string
		fault      func() Options
		invariants []string
	}{
		{"who comes back is not told of an absence", sabotaged(forgetAbsences), []string{"convergence"}},
		{"a push that finds the mailbox full is forgotten", sabotaged(deafToWord[*sess.PushesLost]), []string{"convergence"}},
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
	return func(m runloop.Machine, _, now int64, in sess.Input, out *sess.Effects) {
		m.Step(now, now, in, out)
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
