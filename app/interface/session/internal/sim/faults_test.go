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
	const seeds = 400
	// Where a fault shows in few seeds only, not far behind this one.
	from := map[string]uint64{
		"a binding that has ended is served until a look-up comes back": 125,
		"one key fills the queue of a gateway":                          220,
		"a late close is taken for the connection at hand":              30,
		"a packet that was overtaken is taken for the latest":           80,
		"a key that its owner has yet to hear of begins anew":           50,
		"packets that find no place before the salts are lost":          230,
		"whatever waits does so by a clock that is set":                 20,
	}
	for _, x := range []struct {
		name       string
		fault      func() Options
		invariants []string
	}{
		{"who comes back is not told of an absence", sabotaged(forgetAbsences), []string{"convergence", "promptness"}},
		{"a push that finds the mailbox full is forgotten", besieged(sabotaged(deafToWord[*sess.PushesLost])), []string{"promptness"}},
		{"what a session has received is forgotten with it", sabotaged(forgetSessions), []string{"at most once", "seqnos", "identity"}},
		{"a temp key is not told that it is bound", sabotaged(deafToWord[*sess.Bound]), []string{"at most once", "refusals"}},
		{"a temp key that has ended is one that was never bound", sabotaged(reviveKeys), []string{"at most once", "ended keys"}},
		{"a binding that has ended is served until a look-up comes back", func() Options { return Options{Silent: true} }, []string{"ended keys"}},
		{"a key that its owner has yet to hear of begins anew", func() Options { return Options{Hasty: true} }, []string{"at most once", "revocation"}}, // of two lives one hears of it
		{"of the temp keys of a kind one is served", sabotaged(oneOfAKind), []string{"ids", "promptness", "convergence"}},
		{"one key fills the queue of a gateway", besieged(links(Links{NoShares: true})), []string{"promptness"}},
		{"a gateway that is not reached has lost what is for it", besieged(links(Links{NoRetry: true})), []string{"promptness"}},
		{"a late close is taken for the connection at hand", besieged(sabotaged(closeLate)), []string{"promptness"}},
		{"a packet that was overtaken is taken for the latest", besieged(sabotaged(believeTheLate)), []string{"promptness"}},
		{"an answer that its reader did not take is had", besieged(sabotaged(deafToWord[*sess.HTTPGone])), []string{"promptness"}},
		{"packets that find no place before the salts are lost", besieged(sabotaged(loseHeld)), []string{"promptness"}},
		{"calls have any size", besieged(limits(func(c *sess.Config) { c.RequestBytes = 1 << 30 })), []string{"bounds"}},
		{"packets are unpacked to any size", besieged(limits(func(c *sess.Config) { c.GunzipBytes, c.NoLoginBytes = 1<<28, 1<<28 })), []string{"bounds"}},
		{"what is repeated has no bound", besieged(limits(func(c *sess.Config) { c.RepeatBytes = 1 << 30 })), []string{"bounds"}},
		{"what a key keeps has no bound", besieged(limits(func(c *sess.Config) { c.KeyBytes = 1 << 30 })), []string{"bounds"}},
		{"whatever a client tells of itself is stored", besieged(limits(func(c *sess.Config) { c.StoreEvery = 1 })), []string{"bounds"}},
		{"whatever waits does so by a clock that is set", sabotaged(waitByTheClock), []string{"handlers", "leaks", "lingering", "convergence", "at most once"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			requireFound(t, max(1, from[x.name]), seeds, x.invariants, x.fault)
		})
	}
}

// besieged has the runs be sieges.
func besieged(make func() Options) func() Options {
	return func() Options {
		o := make()
		o.Siege = true
		return o
	}
}

func sabotaged(make func() Sabotage) func() Options {
	return func() Options { return Options{Sabotage: make()} }
}

func links(l Links) func() Options { return func() Options { return Options{Links: l} } }

func limits(change func(*sess.Config)) func() Options {
	return func() Options { return Options{Limits: change} }
}

// oneOfAKind forgets the sessions of a temp key when another one of its kind speaks.
func oneOfAKind() Sabotage {
	type place struct {
		perm int64
		kind sess.KeyType
	}
	last := map[place]int64{}
	return func(m runloop.Machine, perm, now, wall int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok && d.AuthKeyID != perm {
			last[place{perm, d.KeyType}] = d.AuthKeyID
		}
		m.Step(now, wall, in, out)
		out.Sends = slices.DeleteFunc(out.Sends, func(s sess.Send) bool {
			for p, key := range last {
				if p.perm == perm && key == s.AuthKeyID {
					return false
				}
			}
			return s.AuthKeyID != perm
		})
	}
}

// closeLate believes each word that a connection is closed.
func closeLate() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if c, ok := in.(*sess.ConnClosed); ok {
			in = &sess.SendFailed{ServerID: c.ServerID, AuthKeyID: c.AuthKeyID, SessionID: c.SessionID}
		}
		m.Step(now, wall, in, out)
	}
}

// believeTheLate takes each packet through another gateway for one of the present connection.
func believeTheLate() Sabotage {
	type place struct {
		m  runloop.Machine
		id int64
	}
	last := map[place]string{}
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok && d.ServerID != "" {
			p := place{m, d.SessionID}
			d.NewConn = d.NewConn || last[p] != "" && last[p] != d.ServerID
			last[p] = d.ServerID
		}
		m.Step(now, wall, in, out)
	}
}

// loseHeld keeps silent on packets that found no place while salts were read.
func loseHeld() Sabotage {
	lost := map[int64]bool{}
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		id := int64(0)
		if d, ok := in.(*sess.Data); ok {
			id = int64(binary.LittleEndian.Uint64(d.Payload))
		}
		m.Step(now, wall, in, out)
		for _, c := range out.Counts {
			lost[id] = lost[id] || c.What == sess.CountHeldDropped
		}
		filter(out, func(x wire.Message) bool {
			kind, _ := wire.PeekID(x.Body)
			r := wire.NewReader(x.Body[4:])
			return kind == wire.IDBadServerSalt && lost[r.Long()]
		})
	}
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
			if !slices.ContainsFunc(after, func(o sess.SessionView) bool { return o.ID == s.ID && o.AuthKeyID == s.AuthKeyID }) && out.Handover == nil {
				ends[place{m, cmp.Or(real[s.ID], s.ID)}]++
			}
		}
		for i := range out.Sends {
			s := &out.Sends[i]
			s.SessionID = cmp.Or(real[s.SessionID], s.SessionID)
			binary.LittleEndian.PutUint64(s.Payload[8:], uint64(s.SessionID))
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
	m.(interface{ Inspect(*sess.View) }).Inspect(&v)
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
