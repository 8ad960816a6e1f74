package sim

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Each invariant can fail: a machine that is broken in one way is found out,
// soon, and by an invariant that is about that.
func TestSabotageIsFound(t *testing.T) {
	const seeds = 60
	for _, x := range []struct {
		name       string
		sabotage   func() Sabotage
		invariants []string
	}{
		{"a running call is forgotten, and run again", runTwice, []string{"at most once"}},
		{"answers are lost with their connection", loseAnswers, []string{"convergence"}},
		{"an update goes to another key", missendUpdates, []string{"identity"}},
		{"seqnos stand still", freezeSeqnos, []string{"seqnos", "containers"}},
		{"message ids are used again", freezeIDs, []string{"ids", "containers"}},
		{"new sessions are not announced", hide(wire.IDNewSessionCreated), []string{"convergence"}},
		{"lost updates are not announced", hide(wire.IDUpdatesTooLong), []string{"convergence"}},
		{"what status says of an announcement is not heard", deafToWord[*sess.Announced], []string{"convergence"}},
		{"a revocation is not heard", ignoreRevocation, []string{"revocation", "keys", "convergence"}},
		{"a fault logs the client out", blameFaults, []string{"refusals"}},
		{"a key is never let go", neverDone, []string{"leaks"}},
		{"an HTTP request is not answered", forgetReaders, []string{"handlers"}},
		{"packets are lost on their way to the machine", losePackets, []string{"mailboxes", "acknowledgments"}},
		{"keys are let go without a word", ignoreDrain, []string{"lingering"}},
		{"a step panics", panicAtTimes, []string{"panics"}},
		{"push messages wake nobody", wakeNobody, []string{"convergence"}},
		{"copies are not opened", deafTo(wire.IDMsgCopy), []string{"convergence"}},
		{"acknowledgments are not heard", deafTo(wire.IDMsgsAck), []string{"acknowledgments"}},
		{"msgs_all_info is not heard", deafTo(wire.IDMsgsAllInfo), []string{"acknowledgments"}},
		{"states tell of answers that do not come", boast, []string{"states"}},
		{"a binding names another message", misnameBindings, []string{"identity"}},
		{"packets leave their room before they are gone", leaveRooms, []string{"panics", "ids", "containers", "identity", "convergence"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			requireFound(t, 1, seeds, x.invariants, func() Options { return Options{Sabotage: x.sabotage()} })
		})
	}
}

// requireFound runs seeds from first on with what make breaks, until one fails.
func requireFound(t *testing.T, first, seeds uint64, invariants []string, make func() Options) {
	t.Helper()
	for seed := first; seed < first+seeds; seed++ {
		f := Run(seed, schemaOf(t), make()).Failure
		if f != nil {
			require.Contains(t, invariants, f.Invariant, report(f))
			require.NotEmpty(t, f.Steps)
			t.Logf("found at seed %d: %s: %s", seed, f.Invariant, f.Text)
			return
		}
	}
	require.Fail(t, "not found", "in %d seeds", seeds)
}

func runTwice() Sabotage {
	n := 0
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		for _, c := range slices.Clone(out.Calls) {
			if r, ok := c.Request.(*sess.InvokeMethod); ok {
				if n++; n%50 == 0 {
					out.Calls = append(out.Calls, sess.Call{Ticket: c.Ticket + 1<<40, Request: r})
				}
			}
		}
	}
}

// loseAnswers forgets what a new connection should repeat.
func loseAnswers() Sabotage {
	lost := map[int64]bool{}
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		d, ok := in.(*sess.Data)
		fresh := ok && d.NewConn
		filter(out, func(x wire.Message) bool {
			req, isResult := wire.ResultOf(x.Body)
			lost[req] = lost[req] || isResult && fresh
			return isResult && lost[req]
		})
	}
}

func missendUpdates() Sabotage {
	var stolen []byte
	var from int64
	return func(m runloop.Machine, key, now, wall int64, in sess.Input, out *sess.Effects) {
		if p, ok := in.(*sess.PushUpdates); ok && !isReset(p) {
			if stolen != nil && from != key {
				p.Updates = stolen
			}
			stolen, from = slices.Clone(p.Updates), key
		}
		m.Step(now, wall, in, out)
	}
}

func freezeSeqnos() Sabotage {
	return rewrite(func(x wire.Message) wire.Message {
		if x.Seq&1 != 0 {
			x.Seq = 1
		}
		return x
	})
}

func freezeIDs() Sabotage {
	return rewrite(func(x wire.Message) wire.Message {
		x.ID &^= 0xffffffff &^ 3
		return x
	})
}

func hide(kinds ...uint32) func() Sabotage {
	return func() Sabotage {
		return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
			m.Step(now, wall, in, out)
			filter(out, func(x wire.Message) bool {
				kind, _ := wire.PeekID(x.Body)
				return slices.Contains(kinds, kind)
			})
		}
	}
}

// boast says of every call that has come that it has an answer.
func boast() Sabotage {
	return rewrite(func(x wire.Message) wire.Message {
		if kind, _ := wire.PeekID(x.Body); kind == wire.IDMsgsStateInfo {
			r := wire.NewReader(x.Body[4:])
			req, info := r.Long(), slices.Clone(r.Bytes())
			for i := range info {
				if info[i]&7 == 4 {
					info[i] |= generated
				}
			}
			x.Body = wire.AppendStateInfo(nil, req, info)
		}
		return x
	})
}

func ignoreRevocation() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if p, ok := in.(*sess.PushUpdates); ok && isReset(p) {
			in = &sess.Tick{}
		}
		m.Step(now, wall, in, out)
	}
}

func blameFaults() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if done, ok := in.(*sess.CallDone); ok && done.Err != nil && done.Err.Message == "INTERNAL_SERVER_ERROR" {
			done.Err = &sess.RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}
		}
		m.Step(now, wall, in, out)
	}
}

func neverDone() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		out.Done = false
	}
}

func forgetReaders() Sabotage {
	n := 0
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok && d.HTTP != 0 {
			if n++; n%10 == 0 {
				d.HTTP = 0
			}
		}
		m.Step(now, wall, in, out)
	}
}

func panicAtTimes() Sabotage {
	n := 0
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if n++; n%1000 == 0 {
			panic("sabotage")
		}
		m.Step(now, wall, in, out)
	}
}

func wakeNobody() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if p, ok := in.(*sess.PushUpdates); ok {
			p.Notification = false
		}
		m.Step(now, wall, in, out)
	}
}

// deafTo takes messages of a kind for some that mean nothing.
func deafTo(kind uint32) func() Sabotage {
	return func() Sabotage {
		return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
			if d, ok := in.(*sess.Data); ok {
				copy(d.Payload, bytes.ReplaceAll(d.Payload, appendID(nil, kind), appendID(nil, wire.IDMsgDetailedInfo)))
			}
			m.Step(now, wall, in, out)
		}
	}
}

// deafToWord takes inputs of a kind for the passing of time.
func deafToWord[I sess.Input]() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if _, ok := in.(I); ok {
			in = &sess.Tick{}
		}
		m.Step(now, wall, in, out)
	}
}

func misnameBindings() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		for i := range out.Calls {
			if r, ok := out.Calls[i].Request.(*sess.BindTempKey); ok {
				r.Meta.MsgID += 4
			}
		}
	}
}

func losePackets() Sabotage {
	n := 0
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok && d.HTTP == 0 {
			if n++; n%50 == 0 {
				in = &sess.Tick{}
			}
		}
		m.Step(now, wall, in, out)
	}
}

func ignoreDrain() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		if _, ok := in.(*sess.Drain); ok {
			in = &sess.Tick{}
		}
		m.Step(now, wall, in, out)
	}
}

func leaveRooms() Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		for i := range out.Sends {
			out.Sends[i].Room.Free()
		}
	}
}

func isReset(p *sess.PushUpdates) bool { return bytes.Contains(p.Updates, []byte("AccountReset")) }

// rewrite changes each message that leaves.
func rewrite(change func(wire.Message) wire.Message) Sabotage {
	return func(m runloop.Machine, _, now, wall int64, in sess.Input, out *sess.Effects) {
		m.Step(now, wall, in, out)
		for i := range out.Sends {
			s := &out.Sends[i]
			s.Payload, s.Tail = repack(s.Bytes(), func(x wire.Message) (wire.Message, bool) { return change(x), true }), nil
		}
	}
}

// filter removes messages that leave.
func filter(out *sess.Effects, gone func(wire.Message) bool) {
	keep := func(x wire.Message) (wire.Message, bool) { return x, !gone(x) }
	kept := out.Sends[:0]
	for _, s := range out.Sends {
		if s.Payload, s.Tail = repack(s.Bytes(), keep), nil; s.Payload != nil {
			kept = append(kept, s)
		}
	}
	out.Sends = kept
	for i := range out.Replies {
		if len(out.Replies[i].Payload) > 0 {
			out.Replies[i].Payload = repack(out.Replies[i].Payload, keep)
		}
	}
}

// repack takes a packet apart and puts it together again with the messages
// that change keeps; nil when it keeps none.
func repack(payload []byte, change func(wire.Message) (wire.Message, bool)) []byte {
	r := wire.NewReader(payload)
	salt, session := r.Long(), r.Long()
	outer := wire.Message{ID: r.Long(), Seq: r.Int()}
	r.Int()
	outer.Body = r.Rest()
	if kind, _ := wire.PeekID(outer.Body); kind == wire.IDMsgContainer {
		members, _ := wire.Members(nil, outer.Body, 1024)
		var kept []wire.Message
		for _, x := range members {
			if x, keep := change(x); keep {
				kept = append(kept, x)
			}
		}
		if len(kept) == 0 && len(members) > 0 {
			return nil
		}
		outer.Body = wire.AppendContainer(nil, len(kept))
		for _, x := range kept {
			outer.Body = append(wire.AppendMessageHeader(outer.Body, x.ID, x.Seq, len(x.Body)), x.Body...)
		}
	} else {
		var keep bool
		if outer, keep = change(outer); !keep {
			return nil
		}
	}
	return append(wire.AppendPacketHeader(nil, salt, session, outer.ID, outer.Seq, len(outer.Body)), outer.Body...)
}
