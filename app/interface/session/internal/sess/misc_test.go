package sess

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

func TestConfig(t *testing.T) {
	var c Config
	require.Error(t, c.Validate(), "without defaults")
	c.SetDefaults()
	require.NoError(t, c.Validate())
	for name, spoil := range map[string]func(*Config){
		"MaxSessions":        func(c *Config) { c.MaxSessions = -1 },
		"GunzipRatio":        func(c *Config) { c.GunzipRatio = 1 << 20 },
		"AckDelay":           func(c *Config) { c.AckDelay = -time.Second },
		"IdleClose":          func(c *Config) { c.IdleClose = 48 * time.Hour },
		"OnlineEvery":        func(c *Config) { c.OnlineEvery = c.OnlineFor },
		"PayloadBytes":       func(c *Config) { c.PayloadBytes = c.ContainerBytes },
		"ResendAfter is 30s": func(c *Config) { c.ResendAfter = 30 * time.Second },
		"ResendAfter is 5s":  func(c *Config) { c.ResendAfter = 5 * time.Second },
	} {
		bad := c
		spoil(&bad)
		require.ErrorContains(t, bad.Validate(), name)
	}
}

// The list of methods that need no login is configuration.
func TestNoLoginList(t *testing.T) {
	x := newWorld(t, false, func(c *Config) {
		c.NoLoginAllow, c.NoLoginDeny = []string{"updates.getState"}, []string{"help.getConfig"}
	})
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("updates.getState"))
	m := x.recv(1, x.method("help.getConfig"))
	require.True(t, x.isInvoked("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// Every method with a trait exists; those that a newer schema drops are named.
func TestTraitsNameMethods(t *testing.T) {
	schema := testSchema(t)
	for name := range traits {
		if name == "help.test" { // stock lists it, no published schema has it
			continue
		}
		require.NotEmpty(t, schema.MethodByName(name), name)
	}
	for result := range noGzip {
		found := false
		for _, m := range []string{"upload.getFile", "upload.getWebFile", "upload.getCdnFile"} {
			found = found || schema.MethodByName(m)[0].Result == result
		}
		require.True(t, found, result)
	}
	for _, f := range [][2]string{
		{"Updates", "predicate_name"},
		{"Updates", "constructor"},
		{"Updates", "auth_key_id"},
		{"User", "id"},
		{"auth_Authorization", "user"},
		{"auth_SentCode", "authorization"},
		{"auth_LoginToken", "authorization"},
	} {
		_, ok := schema.FieldNumber(f[0], f[1])
		require.True(t, ok, f)
	}
}

func TestCounterNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range Counters {
		require.NotEmpty(t, c.String())
		require.False(t, seen[c.String()], c.String())
		seen[c.String()] = true
	}
	require.Equal(t, "X", (&RPCError{Code: 400, Message: "X"}).Error())
}

// The user of each kind of result that logs in.
func TestUserOfResults(t *testing.T) {
	x := newWorld(t, false)
	for _, c := range []struct {
		method, message, predicate string
		fields                     map[string]any
		want                       int64
	}{
		{"auth.signIn", "auth_Authorization", "auth_authorization", nil, 0},
		{"auth.signIn", "auth_Authorization", "auth_authorizationSignUpRequired", nil, 0},
		{"auth.sendCode", "auth_SentCode", "auth_sentCodeSuccess", map[string]any{"authorization": x.authorization(5)}, 5},
		{"auth.sendCode", "auth_SentCode", "auth_sentCode", nil, 0},
		{"auth.exportLoginToken", "auth_LoginToken", "auth_loginTokenSuccess", map[string]any{"authorization": x.authorization(6)}, 6},
		{"auth.exportLoginToken", "auth_LoginToken", "auth_loginToken", nil, 0},
		{"help.getConfig", "Config", "config", nil, 0},
	} {
		r := &MethodResult{Method: x.schema.MethodByName(c.method)[0], PB: x.pbObject(c.message, c.predicate, c.fields)}
		require.Equal(t, c.want, x.w.userOf(r), c.predicate)
	}
	require.Equal(t, int64(7), x.w.userOf(&MethodResult{Method: x.schema.MethodByName("auth.signIn")[0], PB: x.authorization(7)}))
	require.Zero(t, x.w.userOf(&MethodResult{}))
	require.Zero(t, number(x.schema, "User", "id", []byte{0xff, 0xff}))
	require.Nil(t, field(x.schema, "User", "no such field", nil))
}

// A login by another user on the same key is another presence.
func TestAnotherUserLogsIn(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.signedIn(78)
	require.Equal(t, 1, count[*SetOffline](x))
	require.Equal(t, 2, count[*SetOnline](x))
	require.EqualValues(t, 78, x.w.login.userID)
}

// A connection that is announced before its packets gets what waits.
func TestConnNew(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.take()
	x.step(&ConnNew{ServerID: "gw2", AuthKeyID: permKey, SessionID: 1, ClientIP: "192.0.2.2"})
	msgs := x.take()
	_, ok := result(msgs, m.ID)
	require.True(t, ok)
	require.Equal(t, "gw2", msgs[0].ServerID)
	x.step(&ConnNew{ServerID: "gw2", AuthKeyID: permKey, SessionID: 9})
	x.step(&ConnNew{ServerID: "gw2", AuthKeyID: permKey})
	require.Nil(t, x.w.mainAuth.find(9), "a session begins with its first packet")
}

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errors.New("no") }

func TestWithoutRandomness(t *testing.T) {
	x := newWorld(t, false)
	x.w.rnd = noRandom{}
	x.recv(1, tlPing(1))
	require.Len(t, x.takeOnly(wire.IDNewSessionCreated), 1)
	require.Len(t, x.faults, 1)
}

// What the node cannot store now is stored when the client says it again.
func TestStoringFails(t *testing.T) {
	x := newWorld(t, false)
	x.others = false
	fail := func() {
		for _, ticket := range x.order {
			if c := x.open[ticket]; c != nil {
				if _, ok := c.Request.(*InvokeMethod); !ok {
					x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"})
				}
			}
		}
	}
	for range 2 {
		x.recv(1, tlLayer(220, tlInit(x.method("help.getNearestDc"))))
		x.recv(1, tlDevice(7, "5"))
		fail()
	}
	require.Equal(t, 2, count[*SetInitConnection](x))
	require.Equal(t, 2, count[*SetLayer](x))
	require.Equal(t, 2, count[*SetPushSession](x))
	require.EqualValues(t, 5, x.w.pushes.pushSession, "while the key is in memory it is known")
}

// AFTER-1: whatever the order in which calls arrive and end, a call never
// begins before those it waits for have succeeded, and every call is answered.
func TestInvokeAfterOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newWorld(t, false)
		n := rapid.IntRange(2, 12).Draw(r, "calls")
		msgs := make([]wire.Message, n)
		after := make([][]int, n)
		for i := range msgs {
			var ids []int64
			for j := range i {
				if rapid.IntRange(0, 3).Draw(r, "waits") == 0 {
					after[i] = append(after[i], j)
					ids = append(ids, msgs[j].ID)
				}
			}
			q := x.method("help.getNearestDc")
			if len(ids) > 0 {
				q = append(tlLongs(wire.IDInvokeAfterMsgs, ids...), q...)
			}
			msgs[i] = x.msg(1, q)
		}
		index := map[int64]int{}
		for i, m := range msgs {
			index[m.ID] = i
		}
		const waiting, running, good, bad = 0, 1, 2, 3
		state := make([]int, n)
		look := func() {
			for _, c := range x.open {
				inv, ok := c.Request.(*InvokeMethod)
				if !ok {
					continue
				}
				i := index[inv.Meta.MsgID]
				if state[i] != waiting {
					continue
				}
				for _, j := range after[i] {
					require.Equal(r, good, state[j], "%d began before %d had succeeded", i, j)
				}
				state[i] = running
			}
			for _, m := range x.take() {
				if m.constructor != wire.IDRPCResult {
					continue
				}
				b := wire.NewReader(m.Body[4:])
				i := index[b.Long()]
				if b.ID() == wire.IDRPCError && state[i] == waiting {
					state[i] = bad
				}
			}
		}
		finish := func(ok bool) {
			for _, ticket := range x.order {
				c := x.open[ticket]
				if c == nil {
					continue
				}
				inv := c.Request.(*InvokeMethod)
				if i := index[inv.Meta.MsgID]; ok {
					state[i] = good
					x.finish(ticket, &MethodResult{Method: inv.Method, PB: x.pb(inv.Method, nearestDC("NL"))}, nil)
				} else {
					state[i] = bad
					x.finish(ticket, nil, &RPCError{Code: 400, Message: "X"})
				}
				look()
				return
			}
		}
		for _, i := range rapid.Permutation(indices(n)).Draw(r, "arrival") {
			x.step(x.data(1, msgs[i]))
			look()
			if rapid.Bool().Draw(r, "finish") {
				finish(rapid.IntRange(0, 4).Draw(r, "success") > 0)
			}
		}
		for range 3 * n {
			finish(true)
			x.advance(300 * time.Millisecond)
			look()
		}
		for i, s := range state {
			require.GreaterOrEqual(r, s, good, "call %d has no answer", i)
		}
		require.Empty(r, x.w.calls.list)
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
