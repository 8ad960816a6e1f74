package sess

import (
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// move hands the key over to another node, unless this one stops, peers are being asked for
// something, or HTTP requests are open: both end first. Nobody but status notices.
func (x *world) move() {
	x.t.Helper()
	if x.w.unbound || x.w.draining || len(x.w.asks) > 0 || x.requests() > 0 {
		return
	}
	renewAt := x.w.renewAt
	st := x.handOff()
	require.NotNil(x.t, st)
	w, err := Import(permKey, st, x.now, x.now+x.set, &x.cfg, x.schema, x.w.rnd)
	require.NoError(x.t, err)
	x.w = w
	var out Effects
	w.Step(x.now, x.now+x.set, &Arrived{}, &out)
	x.carryOut(&out)
	if x.w.toldAt != 0 && renewAt != 0 { // the other node renews the entry: dialogues go on as if it had not
		x.w.renewAt = renewAt
	}
}

// carryOut answers what is asked of peers as step does, but that nobody sees status
// be told.
func (x *world) carryOut(out *Effects) {
	x.note(out)
	x.out.WakeAt = out.WakeAt
	for _, c := range slices.Clone(out.Calls) {
		r, ok := c.Request.(*SetOnline)
		switch {
		case !ok:
			x.calls, x.order, x.open[c.Ticket] = append(x.calls, c.Request), append(x.order, c.Ticket), &c
			x.autoAnswer(&c)
		case x.status && r.Confirm:
			out.Reset()
			x.w.Step(x.now, x.now+x.set, &Announced{At: r.At}, out)
			x.carryOut(out)
		}
	}
}

// handOff asks the wrapper for its state, as it is after its way to another node;
// nil: it is not to be had yet.
func (x *world) handOff() *sessionpb.KeyState {
	x.t.Helper()
	var out Effects
	x.w.Step(x.now, x.now+x.set, &HandOff{}, &out)
	x.note(&out) // what was due
	require.Empty(x.t, out.Calls)
	if out.State == nil {
		return nil
	}
	raw, err := proto.Marshal(out.State)
	require.NoError(x.t, err)
	st := new(sessionpb.KeyState)
	require.NoError(x.t, proto.Unmarshal(raw, st))
	return st
}

// requests is how many HTTP requests are open.
func (x *world) requests() (n int) {
	for s := range x.w.sessions() {
		if s.http != nil {
			n += len(s.http.slots)
		}
	}
	for l := range x.w.lists() {
		n += len(l.held)
	}
	return n
}

// A key may move at any moment: every dialogue is the same when it moves before each
// input.
func TestTranscriptsOfAKeyThatMoves(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		d := &dialogue{}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if d.x != nil {
				d.x.t = t
				d.x.moves = true
			}
			return d.run(t, td)
		})
	})
}
