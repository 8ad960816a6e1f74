package sess

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// move hands the key over to another node, unless this one stops, peers are being asked for
// something, or HTTP requests are open: both end first. Nobody but status notices.
func (x *world) move() {
	x.t.Helper()
	if x.w.binding.unbound || x.w.draining || len(x.w.asks) > 0 || x.requests() > 0 {
		return
	}
	renewAt := x.w.presence.renewAt
	st := x.handOff()
	require.NotNil(x.t, st)
	w, err := Import(permKey, st, x.now, x.now+x.set, &x.cfg, x.schema, x.w.rnd)
	require.NoError(x.t, err)
	x.w = w
	var out Effects
	w.Step(x.now, x.now+x.set, &Arrived{}, &out)
	x.carryOut(&out)
	if x.w.presence.toldAt != 0 && renewAt != 0 { // the other node renews the entry: dialogues go on as if it had not
		x.w.presence.renewAt = renewAt
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

// Updates that were lost while nobody knew are told on the node that the key comes to:
// status is asked there whether it had an entry of the key all the time.
func TestGapBeforeAMove(t *testing.T) {
	for name, c := range map[string]struct {
		refused bool // at first
		lost    bool
		want    []int
	}{
		"status had the key":      {},
		"status had forgotten it": {lost: true, want: []int{-1}},
		// Its entry names the other node till then, which may have ended.
		"status took it at the second try": {refused: true, want: []int{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.take()
			x.now += int64(time.Second)
			st := x.handOff()
			st.OnlineNode = "10.0.0.1:20120" // who gave it
			w, err := Import(permKey, st, x.now, x.now, &x.cfg, x.schema, x.w.rnd)
			require.NoError(t, err)
			var out Effects
			w.Step(x.now, x.now, &Arrived{}, &out)
			require.Len(t, out.Calls, 1)
			r, ok := out.Calls[0].Request.(*SetOnline)
			require.True(t, ok)
			require.True(t, r.Renews && r.Confirm)
			require.Equal(t, "10.0.0.1:20120", r.Was)
			x.w = w
			if c.refused {
				x.step(&Announced{At: r.At, Failed: true})
				require.Empty(t, pushed(x.take()))
				x.now += int64(announceRetry)
				x.out.Reset()
				w.Step(x.now, x.now, &Tick{}, &x.out)
				r, ok = x.out.Calls[0].Request.(*SetOnline)
				require.True(t, ok)
			}
			x.step(&Announced{At: r.At, Lost: c.lost})
			require.Equal(t, c.want, pushed(x.take()))
			x.now += int64(x.cfg.OnlineEvery)
			x.out.Reset()
			w.Step(x.now, x.now, &Tick{}, &x.out)
			r, ok = x.out.Calls[0].Request.(*SetOnline)
			require.True(t, ok)
			require.Empty(t, r.Was, "from now on the entry is this node's")
		})
	}
}

// The outcome of a call that another node has made, and never tells, is a fault: the
// client is told, and may ask again.
func TestOutcomeThatNeverFollows(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, x.method("help.getNearestDc"))
	ticket, _ := x.invoked("help.getNearestDc")
	x.take()
	x.move()
	require.Contains(t, x.open, ticket)
	x.advance(x.cfg.RemoteWait - time.Second)
	require.Empty(t, x.takeOnly(wire.IDRPCResult))
	x.advance(2 * time.Second)
	require.Equal(t, "-503 Timeout", x.rpcError(x.take(), m.ID))
	x.step(&CallDone{Ticket: ticket}) // at last
	require.Empty(t, x.take())
}

// A sign-in that another node has made is not waited for any more once its outcome is there:
// the mark of its password was cleared twice when the time for the outcome was over, and the
// client answered twice.
func TestOutcomeThatFollowsAtTheLastMoment(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	ticket, r := x.invoked("auth.signIn")
	x.take()
	x.move()
	require.Contains(t, x.open, ticket)
	x.advance(x.cfg.RemoteWait - time.Second)
	x.others = false
	before := count[*SetPasswordPending](x)
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	x.advance(2 * time.Second)
	require.Equal(t, before+1, count[*SetPasswordPending](x))
	cleared, _ := find(x, func(r *SetPasswordPending) bool { return !r.Pending })
	x.finish(cleared, nil, nil)
	require.Len(t, x.takeOnly(wire.IDRPCResult), 1)
	require.Zero(t, x.w.calls.running)
	require.NotZero(t, m.ID)
}

// An outcome that follows a key which has begun anew is of no call that it makes: it
// once was taken for that of another, which got its answer.
func TestOutcomeOfAnEarlierLife(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("help.getNearestDc"))
	earlier, call := x.invoked("help.getNearestDc")
	delete(x.open, earlier)
	x.w = New(permKey, false, &x.cfg, x.schema, x.w.rnd)
	x.login(1)
	m := x.recv(1, x.method("help.getConfig"))
	later, _ := x.invoked("help.getConfig")
	require.NotEqual(t, earlier, later)
	x.take()
	x.step(&CallDone{Ticket: earlier, Result: &MethodResult{Method: call.Method, PB: x.pb(call.Method, nearestDC("NL"))}})
	_, answered := result(x.take(), m.ID)
	require.False(t, answered)
}

// What another node says of a key is read as a whole or not at all.
func TestStatesThatContradictThemselves(t *testing.T) {
	for name, spoil := range map[string]func(st *sessionpb.KeyState){
		"two lists of one key":        func(st *sessionpb.KeyState) { st.Lists = append(st.Lists, st.Lists[0]) },
		"a kind of keys that is none": func(st *sessionpb.KeyState) { st.Lists[0].KeyType = 7 },
		"two sessions of one id": func(st *sessionpb.KeyState) {
			st.Lists[0].Sessions = append(st.Lists[0].Sessions, st.Lists[0].Sessions[0])
		},
		"a window without seqnos": func(st *sessionpb.KeyState) { st.Lists[0].Sessions[0].WindowSeqs = nil },
		"a window out of order":   func(st *sessionpb.KeyState) { st.Lists[0].Sessions[0].WindowIds[1] = -1 },
		"messages out of order":   func(st *sessionpb.KeyState) { s := st.Lists[0].Sessions[0]; s.Sent = append(s.Sent, s.Sent[0]) },
		"a kind of messages":      func(st *sessionpb.KeyState) { st.Lists[0].Sessions[0].Sent[0].Kind = 99 },
		"a method that is none":   func(st *sessionpb.KeyState) { st.Calls[0].Method = 1 },
		"a phase that is none":    func(st *sessionpb.KeyState) { st.Calls[0].Phase = 99 },
		"two lists of perm keys": func(st *sessionpb.KeyState) {
			l := proto.CloneOf(st.Lists[0])
			l.AuthKeyId++
			st.Lists = append(st.Lists, l)
		},
		"a sign-in without its mark": func(st *sessionpb.KeyState) { st.Calls[0].Request, st.Calls[0].Trait = nil, uint32(traitMarked) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.step(&PushUpdates{Updates: x.updates(1)})
			x.recv(1, x.method("help.getNearestDc"))
			st := x.handOff()
			require.Len(t, st.GetCalls(), 1)
			spoil(st)
			_, err := Import(permKey, st, x.now, x.now, &x.cfg, x.schema, x.w.rnd)
			require.ErrorIs(t, err, ErrState)
		})
	}
}

// A node that has room for fewer temp keys takes as many as it has room for.
func TestMoreTempKeysThanHaveRoom(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	for key := range int64(5) {
		x.under(tempKey+key, TempKey, 10+key, tlPing(1))
	}
	st := x.handOff()
	require.Len(t, st.GetLists(), 6)
	x.cfg.MaxTempKeys = 2
	w, err := Import(permKey, st, x.now, x.now, &x.cfg, x.schema, x.w.rnd)
	require.NoError(t, err)
	require.Len(t, w.tempAuth, 2)
	w.Step(x.now, x.now, &Arrived{}, &x.out)
}

// A key that leaves waits for authsession, but not for long: the node that asks for it
// would begin the key anew, and do again what was done here. What was asked counts as not
// answered, and the login is read by the node that gets the key.
func TestAKeyThatLeavesDoesNotWaitForLong(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(x *world) []byte
		want string
	}{
		"a read of the login": {func(x *world) []byte {
			x.states = false
			return x.method("account.getAccountTTL")
		}, ""},
		"another read of it": {func(x *world) []byte {
			x.advance(x.cfg.StateRefresh)
			x.states = false
			return x.method("account.getAccountTTL")
		}, ""},
		"the mark of a sign-in": {func(x *world) []byte {
			x.others = false
			return x.method("auth.signIn", int32(1), "1", "2", "3")
		}, "500 INTERNAL_SERVER_ERROR"},
		"a binding": {func(x *world) []byte {
			return x.method("auth.bindTempAuthKey", int64(1), int64(2), int32(x.now/1e9+3600), "x")
		}, "-503 Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			if name != "a read of the login" {
				x.recv(1, x.method("account.getAccountTTL"))
				x.take()
			}
			m := x.recv(1, c.ask(x))
			require.Nil(t, x.handOff())
			until := x.now + int64(x.cfg.HandOffWait)
			var out Effects
			for x.w.wakeAt < until { // acks, say
				x.now = x.w.wakeAt
				x.w.Step(x.now, x.now, &Tick{}, &out)
				require.Nil(t, out.State)
			}
			require.Equal(t, until, x.w.wakeAt)
			x.now = until
			out.Reset()
			x.w.Step(x.now, x.now, &Tick{}, &out)
			require.NotNil(t, out.State)
			x.note(&out)
			sent := x.take()
			if c.want != "" {
				require.Equal(t, c.want, x.rpcError(sent, m.ID))
				return
			}
			_, answered := result(sent, m.ID)
			require.False(t, answered)
			w, err := Import(permKey, out.State, x.now, x.now, &x.cfg, x.schema, x.w.rnd)
			require.NoError(t, err)
			out.Reset()
			w.Step(x.now, x.now, &Arrived{}, &out)
			require.Len(t, out.Calls, 1)
			require.IsType(t, &GetAuthState{}, out.Calls[0].Request)
		})
	}
}

// A key that stays after all goes on as if nobody had asked for it.
func TestAKeyThatStays(t *testing.T) {
	x := newWorld(t, false)
	x.states = false
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.recv(1, x.method("account.getAccountTTL"))
	require.Nil(t, x.handOff())
	x.step(&Stay{})
	ticket, _ := find[*GetAuthState](x, nil)
	x.finish(ticket, &x.state, nil)
	require.True(t, x.isInvoked("account.getAccountTTL"))
}
