package sess

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// twoLives are the two lives of session 1 of a temp key whose bind has lost its outcome. The
// past one is under the temp key alone: it has made a call that was answered, one whose result
// a BFF has promised, and one that waits for that. The other one is under the perm key, on
// another node, where it takes updates.
type twoLives struct {
	past, live                *world
	answered, promised, waits wire.Message
}

func newTwoLives(t *testing.T) *twoLives {
	x, y := newWorld(t, true), newWorld(t, false)
	l := &twoLives{past: x, live: y}
	l.answered = x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	l.promised = x.recv(1, x.method("help.getConfig"))
	ticket, _ := x.invoked("help.getConfig")
	x.finish(ticket, &MethodResult{Pushed: true}, nil)
	l.waits = x.recv(1, tlAfter(l.promised.ID, x.method("help.getNearestDc")))
	require.False(t, x.isInvoked("help.getNearestDc"))
	x.recv(1, tlBind(permKey))
	bind, _ := find[*BindTempKey](x, nil)
	x.finish(bind, nil, &RPCError{Code: -503, Message: "Timeout"})

	y.now, y.serial, y.seqs, y.met = x.now, x.serial, x.seqs, x.met
	l.speak(y.method("updates.getState"))
	y.answer("updates.getState", updatesState())
	y.take()
	return l
}

// speak has the client say something in the life that it lives.
func (l *twoLives) speak(body []byte) wire.Message { return l.live.under(tempKey, TempKey, 1, body) }

// again has it repeat a message there.
func (l *twoLives) again(m wire.Message) {
	d := l.live.data(1, m)
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	l.live.step(d)
}

// join brings the past to the life that goes on.
func (l *twoLives) join() {
	l.past.step(&Bound{To: permKey, KeyType: TempKey, Until: 77})
	l.live.step(&Adopt{Handover: l.past.adopted})
}

func (l *twoLives) promise() *PushRPCResult {
	return &PushRPCResult{AuthKeyID: tempKey, SessionID: 1, ReqMsgID: l.promised.ID, RPCResult: append(wire.AppendResult(nil, l.promised.ID), nearestDC("NL")...)}
}

// The sessions that a key has go on when those come that it had before its temp key was bound.
// They once gave their place to these: what they had in flight was lost, and a client that says
// nothing got no update any more, nor was it told that it missed some.
func TestSessionsGoOnWhenTheirPastComes(t *testing.T) {
	l := newTwoLives(t)
	call := l.speak(l.live.method("help.getNearestDc"))
	l.join()
	l.live.answer("help.getNearestDc", nearestDC("DE"))
	_, ok := result(l.live.take(), call.ID)
	require.True(t, ok, "the answer in flight arrives")
	l.live.step(&PushUpdates{Updates: l.live.updates(7)})
	require.Equal(t, []int{7}, pushed(l.live.take()))
	l.live.step(&PushesLost{})
	require.Equal(t, []int{-1}, pushed(l.live.take()))
	require.EqualValues(t, 77, l.live.w.tempAuth[0].boundUntil)
	require.Len(t, l.live.w.tempAuth, 1)
	require.Len(t, l.live.w.tempAuth[0].sessions, 1)
}

// What the session had to answer in its past is answered once, and nothing is done again.
func TestThePastOfASessionIsAnswered(t *testing.T) {
	t.Run("nothing was repeated", func(t *testing.T) {
		l := newTwoLives(t)
		l.join()
		got := l.live.take()
		_, ok := result(got, l.answered.ID)
		require.True(t, ok, "it was not acknowledged")
		require.False(t, l.live.isInvoked("help.getNearestDc"), "the client was told that it has not come, and sends it again")
		l.live.step(l.promise())
		_, ok = result(l.live.take(), l.promised.ID)
		require.True(t, ok)
		l.again(l.promised)
		require.False(t, l.live.isInvoked("help.getConfig"), "it was made")
		l.again(l.waits)
		require.True(t, l.live.isInvoked("help.getNearestDc"))
	})
	t.Run("the client has repeated all", func(t *testing.T) {
		l := newTwoLives(t)
		for _, m := range []wire.Message{l.answered, l.promised, l.waits} {
			l.again(m)
		}
		l.live.answer("help.getNearestDc", nearestDC("DE"))
		l.live.take()
		l.join()
		_, ok := result(l.live.take(), l.answered.ID)
		require.False(t, ok, "it has an answer of its own")
		require.True(t, l.live.isInvoked("help.getConfig"))
		require.Len(t, l.live.w.calls.list, 2, "each once")
	})
}

// A session that is not greeted yet is going to be: then the client makes the calls again that
// were not made. Those of a session that began before them were accepted there.
func TestCallsThatWaitAreLeftToTheClient(t *testing.T) {
	for name, first := range map[string]func(l *twoLives){
		"introduced": func(l *twoLives) {
			l.live.step(&ConnNew{ServerID: "gw1", AuthKeyID: tempKey, KeyType: TempKey, SessionID: 1, Introduced: true})
		},
		"begun": func(l *twoLives) { l.speak(tlPing(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newTwoLives(t)
			y := newWorld(t, false)
			y.now, y.serial, y.seqs = l.live.now, l.live.serial, l.live.seqs
			l.live = y
			first(l)
			l.past.w.findSession(tempKey, 1).acks = []int64{l.waits.ID}
			l.join()
			for _, m := range l.live.takeOnly(wire.IDMsgsAck) {
				require.NotContains(t, string(m.Body), string(tlLong(nil, l.waits.ID)), "it would say that it is done")
			}
			l.live.step(l.promise())
			require.False(t, l.live.isInvoked("help.getNearestDc"))
			l.again(l.waits)
			require.True(t, l.live.isInvoked("help.getNearestDc"))
		})
	}
}

// What the client most likely had of the past is gone. Who asks for it is told.
func TestAnswersOfThePastThatTheClientHad(t *testing.T) {
	l := newTwoLives(t)
	l.past.w.findSession(tempKey, 1).answerTo(l.answered.ID).had = true
	l.join()
	_, ok := result(l.live.take(), l.answered.ID)
	require.False(t, ok)
	l.again(l.answered)
	require.Equal(t, "500 ANSWER_FORGOTTEN", l.live.rpcError(l.live.take(), l.answered.ID))
}

// A session of the past that ended there is no other than the one that lives: it was remembered
// beside it, and what it had received could be done again.
func TestAPastThatHasEnded(t *testing.T) {
	l := newTwoLives(t)
	l.past.recv(3, tlLong(tlID(wire.IDDestroySession), 1))
	require.NotEmpty(t, l.past.w.gone.list)
	l.join()
	require.Empty(t, l.live.w.gone.list)
	l.again(l.answered)
	require.False(t, l.live.isInvoked("help.getNearestDc"), "it was made")

	g := new(goneSessions)
	g.bury(goneSession{tempKey, 1, 7, 0}, clocks{}, 8)
	g.bury(goneSession{tempKey, 1, 5, 0}, clocks{}, 8)
	require.Equal(t, []goneSession{{tempKey, 1, 7, 0}}, g.list, "one life after the other")
}

// Sessions that the key has not go into its list, beside those that it has.
func TestOtherSessionsOfTheKeyComeAlong(t *testing.T) {
	l := newTwoLives(t)
	call := l.past.recv(3, l.past.method("help.getNearestDc"))
	l.past.answer("help.getNearestDc", nearestDC("NL"))
	l.live.serial = l.past.serial
	l.join()
	require.Len(t, l.live.w.tempAuth, 1)
	require.Len(t, l.live.w.tempAuth[0].sessions, 2)
	d := l.live.data(3, call)
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	l.live.step(d)
	require.False(t, l.live.isInvoked("help.getNearestDc"), "it was made")
	_, ok := result(l.live.take(), call.ID)
	require.True(t, ok)
}

// Sessions of a temp key that finds no place with its perm key end, and so do their calls: they
// were made, and their answers went nowhere. What they have received is remembered.
func TestAdoptedSessionsWithoutAPlace(t *testing.T) {
	l := newTwoLives(t)
	l.live = newWorld(t, false, func(c *Config) { c.MaxTempKeys = 1 })
	l.live.now = l.past.now
	d := l.live.data(9, l.live.msg(9, tlPing(1)))
	d.AuthKeyID, d.KeyType, d.BoundUntil = tempKey+1, TempKey, 99
	l.live.step(d)
	l.join()
	require.Len(t, l.live.w.tempAuth, 1)
	require.EqualValues(t, tempKey+1, l.live.w.tempAuth[0].authKeyID)
	require.Empty(t, l.live.w.calls.list)
	require.False(t, l.live.isInvoked("help.getNearestDc"))
	require.NotZero(t, l.live.w.gone.last)
	require.Equal(t, 1, l.live.counts[CountTempKeysGone])
}
