package sess

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A bound temp key's sessions move to its perm key, with the calls that came
// right behind the bind.
func TestHandover(t *testing.T) {
	x := newWorld(t, true)
	config := x.recv(1, x.method("help.getNearestDc"))
	x.take()
	bind := x.recv(1, tlBind(permKey))
	after := x.recv(1, tlLayer(223, x.method("updates.getState")))
	x.recv(1, tlInt(tlID(wire.IDGetFutureSalts), 3))
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)
	require.Nil(t, x.adopted, "a call is still at a BFF")
	late := x.recv(1, x.method("help.getNearestDc"))
	require.Len(t, x.open, 1, "nothing new is begun")
	x.answer("help.getNearestDc", nearestDC("NL"))
	require.NotNil(t, x.adopted)
	require.Equal(t, int64(permKey), x.adopted.To)
	require.True(t, x.out.Done)
	msgs := x.take()
	body, ok := result(msgs, bind.ID)
	require.True(t, ok)
	require.Equal(t, tlID(wire.IDTrue), body)
	_, ok = result(msgs, config.ID)
	require.True(t, ok)

	y := newWorld(t, false)
	y.now, y.serial, y.seqs, y.met = x.now, x.serial, x.seqs, x.met
	y.step(&Adopt{Handover: x.adopted})
	_, r := y.invoked("updates.getState")
	require.Equal(t, Meta{
		ClientAddr: "192.0.2.1", AuthKeyID: tempKey, PermAuthKeyID: permKey, SessionID: 1, MsgID: after.ID,
		ReceiveTime: y.now / 1e9, UserID: alice, Layer: 223,
	}, r.Meta)
	y.answer("updates.getState", updatesState())
	y.answer("help.getNearestDc", nearestDC("NL"))
	msgs = y.take()
	for _, m := range []wire.Message{after, late} {
		_, ok = result(msgs, m.ID)
		require.True(t, ok)
	}
	d := y.data(1, y.msg(1, tlPing(1)))
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	y.step(d)
	require.Empty(t, y.takeOnly(wire.IDNewSessionCreated), "the session goes on")
	require.Nil(t, y.w.mainAuth)
}

// Packets that wait for salts are taken in before their sessions move.
func TestHandoverWaitsForHeldPackets(t *testing.T) {
	x := newWorld(t, true)
	x.recv(1, tlBind(permKey))
	x.salts = false
	x.advance(72 * time.Hour)
	m := x.msg(1, tlPing(7))
	x.step(x.data(1, m))
	bind, _ := find[*BindTempKey](x, nil)
	x.finish(bind, nil, nil)
	require.Nil(t, x.adopted)
	salts, _ := find[*GetSalts](x, nil)
	x.finish(salts, &Salts{Salts: saltList(x.now, 8)}, nil)
	require.NotNil(t, x.adopted)
	require.Len(t, x.takeOnly(wire.IDPong), 1)
}

// A session that is gone when its bind succeeds takes nobody else with it.
func TestHandoverWithoutTheAsker(t *testing.T) {
	x := newWorld(t, true)
	x.recv(1, tlBind(permKey))
	waiting := x.recv(2, x.method("updates.getState"))
	x.recv(2, tlLong(tlID(wire.IDDestroySession), 1))
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)
	y := newWorld(t, false)
	y.step(&Adopt{Handover: x.adopted})
	y.answer("updates.getState", updatesState())
	_, ok := result(y.take(), waiting.ID)
	require.True(t, ok)
}

// An adopted list joins those of the other temp keys: the client may go on with
// each of them.
func TestAdoptLeavesOtherTempKeys(t *testing.T) {
	x := newWorld(t, true)
	x.recv(1, tlBind(permKey))
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)

	y := newWorld(t, false)
	y.under(tempKey+1, TempKey, 8, y.method("help.getNearestDc"))
	y.step(&PushUpdates{Updates: y.updates(1)})
	require.Equal(t, []int{1}, pushed(y.take()))
	y.step(&Adopt{Handover: x.adopted})
	require.Len(t, y.w.tempAuth, 2)
	y.seqs[1] = x.seqs[1]
	y.under(tempKey, TempKey, 1, y.method("help.getConfig"))
	require.Empty(t, pushed(y.take()), "the update is on its way to the session that it was for")
	y.answer("help.getNearestDc", nearestDC("NL"))
	require.Len(t, y.takeOnly(wire.IDRPCResult), 1, "a call under the other key goes on")
	y.step(&Adopt{})
	y.step(&Adopt{Handover: &Handover{}})
}

// PFS-1: what an unbound key may call, also inside wrappers.
func TestUnboundKeyMayCall(t *testing.T) {
	x := newWorld(t, true)
	for _, q := range [][]byte{
		x.method("help.getNearestDc"),
		tlLayer(223, tlInit(x.method("help.getConfig"))),
	} {
		x.recv(1, q)
	}
	require.True(t, x.isInvoked("help.getNearestDc"))
	require.True(t, x.isInvoked("help.getConfig"))
	require.Zero(t, count[*SetInitConnection](x))
	require.Zero(t, count[*SetLayer](x))
	m := x.recv(1, tlLongs(wire.IDDropTempAuthKeys))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(x.take(), m.ID))
	x.recv(1, tlPing(1))
	require.Len(t, x.takeOnly(wire.IDPong), 1, "service messages work")
	m = x.recv(1, tlBind(permKey)[:40])
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID))
}

// PFS-15: a key that is bound may be bound again.
func TestBindAgain(t *testing.T) {
	x := newWorld(t, false)
	d := x.data(1, x.msg(1, tlBind(permKey)))
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	x.step(d)
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)
	require.Nil(t, x.adopted)
	require.Len(t, x.takeOnly(wire.IDRPCResult), 1)
}

// PFS-21: the sessions of dropped temp keys are gone, the asker's once it has
// its answer.
func TestDropTempKeys(t *testing.T) {
	x := newWorld(t, false)
	under := x.under
	under(mediaKey, MediaTempKey, 5, tlPing(1))
	m := under(tempKey, TempKey, 1, tlLongs(wire.IDDropTempAuthKeys, 9, 8))
	ticket, r := find[*DropTempKeys](x, nil)
	require.Equal(t, &DropTempKeys{PermAuthKeyID: permKey, Except: []int64{9, 8, tempKey}}, r, "never the key that carries the call")
	x.finish(ticket, &KeysGone{Keys: []int64{tempKey, mediaKey}}, nil)
	body, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, tlID(wire.IDTrue), body)
	require.Empty(t, x.w.mediaTempAuth)
	require.Empty(t, x.w.tempAuth)

	m = under(tempKey, TempKey, 1, tlLongs(wire.IDDropTempAuthKeys))
	ticket, _ = find[*DropTempKeys](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"})
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), m.ID))
}

// KEY-23: destroy_auth_key does what it says.
func TestDestroyAuthKey(t *testing.T) {
	for _, c := range []struct {
		name string
		gone *KeysGone
		err  *RPCError
		want uint32
		dead bool
	}{
		{"destroyed", &KeysGone{Existed: true, Keys: []int64{permKey}}, nil, wire.IDDestroyAuthKeyOK, true},
		{"unknown", &KeysGone{}, nil, wire.IDDestroyAuthKeyNone, true},
		{"fault", nil, &RPCError{Code: 500, Message: "X"}, wire.IDDestroyAuthKeyFail, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			m := x.recv(1, tlID(wire.IDDestroyAuthKey))
			ticket, r := find[*DestroyKey](x, nil)
			require.Equal(t, int64(permKey), r.AuthKeyID)
			x.finish(ticket, c.gone, c.err)
			body, ok := result(x.take(), m.ID)
			require.True(t, ok)
			require.Equal(t, tlID(c.want), body)
			m = x.recv(1, x.method("help.getNearestDc"))
			require.Equal(t, c.dead, x.rpcError(x.take(), m.ID) == "401 AUTH_KEY_UNREGISTERED")
		})
	}
}

func TestDrain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	running := x.recv(1, x.method("help.getNearestDc"))
	x.recv(1, tlAfter(running.ID, x.method("help.getConfig")))
	x.step(&Drain{})
	require.False(t, x.out.Drained)
	require.Equal(t, 1, count[*SetOffline](x))
	x.recv(1, x.method("help.getConfig"))
	x.recv(1, tlPing(1))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
	x.answer("help.getNearestDc", nearestDC("NL"))
	require.True(t, x.out.Drained)
	_, ok := result(x.take(), running.ID)
	require.True(t, ok, "what was computed is delivered")
	require.Zero(t, len(x.open), "nothing new is begun")
	require.Equal(t, 1, count[*SetOnline](x))
	x.advance(time.Second)
	require.True(t, x.out.Drained)
}

// Updates that were pushed before the perm key had a wrapper went nowhere, and
// the sessions that it adopts were announced before that: their client is told
// to fetch what it missed. A login that begins afterwards has missed nothing.
func TestAdoptedSessionsFetchTheDifference(t *testing.T) {
	for name, c := range map[string]struct {
		kind   KeyType
		login  bool // the key is logged in
		others bool // a session was there to keep updates
		want   []int
	}{
		"logged in":             {kind: TempKey, login: true, want: []int{-1}},
		"logged in, with media": {kind: MediaTempKey, login: true},
		"beside others":         {kind: TempKey, login: true, others: true},
		"no login yet":          {kind: TempKey},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, true)
			d := x.data(1, x.msg(1, tlBind(permKey)))
			d.KeyType = c.kind
			x.step(d)
			ticket, _ := find[*BindTempKey](x, nil)
			x.finish(ticket, nil, nil)
			require.NotNil(t, x.adopted)

			y := newWorld(t, false)
			if !c.login {
				y.state = AuthState{State: StateUnauthorized}
			}
			if c.others {
				y.recv(8, y.method("updates.getState"))
			}
			y.step(&Adopt{Handover: x.adopted})
			y.seqs, y.serial = x.seqs, x.serial
			speak := func(body []byte) {
				d := y.data(1, y.msg(1, body))
				d.AuthKeyID, d.KeyType = tempKey, c.kind
				y.step(d)
			}
			if !c.login {
				speak(y.method("auth.signIn", int32(1), "1", "2", "3"))
				y.signedIn(alice)
			}
			speak(y.method("help.getNearestDc"))
			require.Equal(t, c.want, pushed(y.take()))
		})
	}
}

// What a client told and was promised under its unbound temp key goes with its
// sessions.
func TestHandoverOfLayerAndPromise(t *testing.T) {
	x := newWorld(t, true)
	m := x.recv(1, tlLayer(200, x.method("help.getNearestDc")))
	promise, _ := x.invoked("help.getNearestDc")
	x.finish(promise, &MethodResult{Pushed: true}, nil)
	x.recv(1, tlBind(permKey))
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)
	require.NotNil(t, x.adopted)

	y := newWorld(t, false)
	y.step(&Adopt{Handover: x.adopted})
	require.False(t, y.isInvoked("help.getNearestDc"), "it was")
	layers := slices.DeleteFunc(slices.Clone(y.calls), func(r Request) bool { _, ok := r.(*SetLayer); return !ok })
	require.Len(t, layers, 1)
	require.EqualValues(t, 200, layers[0].(*SetLayer).Layer)
	y.step(&PushRPCResult{AuthKeyID: tempKey, SessionID: 1, ReqMsgID: m.ID, RPCResult: append(wire.AppendResult(nil, m.ID), nearestDC("NL")...)})
	_, ok := result(y.take(), m.ID)
	require.True(t, ok)
}

// A key goes to its perm key with what it asked peers for answered.
func TestHandoverWaitsForAnswers(t *testing.T) {
	x := newWorld(t, true)
	m := x.recv(1, tlID(wire.IDDestroyAuthKey))
	x.recv(1, tlBind(permKey))
	bind, _ := find[*BindTempKey](x, nil)
	x.finish(bind, nil, nil)
	require.Nil(t, x.adopted)
	destroy, _ := find[*DestroyKey](x, nil)
	x.finish(destroy, nil, &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"})
	require.NotNil(t, x.adopted)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
}

// A key may be bound though its call to bind it failed: the outcome was lost on the way.
// Its sessions move all the same once that is known, and nothing of them is done again.
func TestBoundThoughTheOutcomeWasLost(t *testing.T) {
	x := newWorld(t, true)
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.recv(1, tlBind(permKey))
	bind, _ := find[*BindTempKey](x, nil)
	x.finish(bind, nil, &RPCError{Code: -503, Message: "Timeout"})
	require.Nil(t, x.adopted)
	x.step(&Bound{To: permKey, KeyType: TempKey, Until: 77})
	require.NotNil(t, x.adopted)
	require.EqualValues(t, permKey, x.adopted.To)
	require.True(t, x.out.Done)

	y := newWorld(t, false)
	y.now, y.serial, y.seqs, y.met = x.now, x.serial, x.seqs, x.met
	y.step(&Adopt{Handover: x.adopted})
	require.EqualValues(t, 77, y.w.tempAuth[0].boundUntil)
	d := y.data(1, call)
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	y.step(d)
	require.False(t, y.isInvoked("help.getNearestDc"))
	_, ok := result(y.take(), call.ID)
	require.True(t, ok)
}

// What sessions of the key had received that ended before moves, too.
func TestBoundWithoutASession(t *testing.T) {
	x := newWorld(t, true)
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.recv(2, tlLong(tlID(wire.IDDestroySession), 1))
	x.step(&Bound{To: permKey, KeyType: TempKey})
	require.NotNil(t, x.adopted)

	y := newWorld(t, false)
	y.now = x.now
	y.step(&Adopt{Handover: x.adopted})
	d := y.data(1, call)
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	y.step(d)
	require.False(t, y.isInvoked("help.getNearestDc"))
}

// A temp key that is dead calls nothing, not even what needs no login: the call may be
// one that was made while the key was bound. It may still be bound anew (rule PFS-19).
func TestDeadKeyCallsNothing(t *testing.T) {
	x := newWorld(t, true)
	m := x.msg(1, x.method("help.getNearestDc"))
	d := x.data(1, m)
	d.Dead = true
	x.step(d)
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(x.take(), m.ID))
	require.False(t, x.isInvoked("help.getNearestDc"))
	d = x.data(1, x.msg(1, tlBind(permKey)))
	d.Dead = true
	x.step(d)
	_, bind := find[*BindTempKey](x, nil)
	require.NotNil(t, bind)
}

// Of the bytes of a packet nothing is kept: they are another's when the packet has been
// read, and authsession would judge what somebody else has sent.
func TestBindingKeepsNothingOfItsPacket(t *testing.T) {
	x := newWorld(t, true)
	body := tlBind(permKey)
	d := x.data(1, x.msg(1, body))
	own := d.Payload
	x.step(d)
	require.Nil(t, d.Payload)
	for i := range own {
		own[i] = 0xdb
	}
	i := slices.IndexFunc(x.calls, func(r Request) bool { _, ok := r.(*BindTempKey); return ok })
	require.GreaterOrEqual(t, i, 0)
	got := x.calls[i].(*BindTempKey).EncryptedMessage
	require.NotEmpty(t, got)
	require.True(t, bytes.Contains(body, got))
}
