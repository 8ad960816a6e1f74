package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A state byte with +64, of an answer that is generated, makes mtcute call again at
// once under a new id when it does not have the answer. So calls ran twice: while
// large answers were on their way, and when they had given way in the outbox. And
// who asks for the state of a call gets what it lacks.
func TestStatesDoNotMakeClientsCallAgain(t *testing.T) {
	const small, large = 10, 8000
	for name, c := range map[string]struct {
		size  int
		after time.Duration // from the answer to the question
		http  bool
		lost  func(x *world, call wire.Message) // what became of the answer; nil: nothing
		want  string                            // what the client gets: answer, announcement, error or nothing
	}{
		"small, on its way":                    {small, 0, false, nil, ""},
		"small, lost":                          {small, 2 * time.Second, false, nil, "answer"},
		"large, on its way":                    {large, 2 * time.Second, false, nil, ""},
		"large, lost with a request over HTTP": {large, 2 * time.Second, true, nil, "announcement"},
		"small, lost with a request over HTTP": {small, 2 * time.Second, true, nil, "answer"},
		"large, which the client seems to have": {large, 2 * time.Second, false, func(x *world, call wire.Message) {
			x.w.mainAuth.find(1).answerTo(call.ID).had = true
		}, "announcement"},
		"small, which the client seems to have": {small, 2 * time.Second, false, func(x *world, call wire.Message) {
			x.w.mainAuth.find(1).answerTo(call.ID).had = true
		}, "answer"},
		"gave way": {small, 2 * time.Second, false, func(x *world, _ wire.Message) {
			x.w.now, x.w.out = x.now, &x.out
			require.True(t, x.w.forget(x.w.mainAuth.find(1), &x.w.mainAuth.find(1).sent))
		}, "error"},
		"dropped": {small, 2 * time.Second, false, func(x *world, call wire.Message) {
			x.recv(1, tlLong(tlID(wire.IDRPCDropAnswer), call.ID))
			x.take()
		}, "error"},
		"no longer in the window": {small, 2 * time.Second, false, func(x *world, _ wire.Message) {
			s := x.w.mainAuth.find(1)
			s.window.drop(len(s.window.ids))
		}, "answer"},
	} {
		for _, many := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				x := newWorld(t, false)
				x.recv(1, tlPing(1))
				x.ackAll(1)
				take := x.take
				send := func(m wire.Message) { x.step(x.data(1, m)) }
				if c.http {
					slot := Slot(0)
					send = func(m wire.Message) { slot++; x.post(slot, 1, m, 7*time.Second) }
					take = func() []sent { msgs, _ := x.takeReply(slot); return msgs }
				}
				call := x.msg(1, x.method("help.getNearestDc"))
				send(call)
				x.answer("help.getNearestDc", nearestDC(incompressible(c.size)))
				take()
				if c.lost != nil {
					c.lost(x, call)
				}
				x.now += int64(c.after)
				ids := []int64{call.ID}
				if many {
					ids = append(ids, make([]int64, 20)...)
				}
				ask := x.msg(1, tlLongs(wire.IDMsgsStateReq, ids...))
				send(ask)
				got := ""
				for _, m := range take() {
					b := wire.NewReader(m.Body[4:])
					switch m.constructor {
					case wire.IDRPCResult:
						got = "answer"
						require.Equal(t, call.ID, b.Long())
						if isErrorResult(m) {
							got = "error"
						}
					case wire.IDMsgDetailedInfo:
						got = "announcement"
					case wire.IDMsgsStateInfo:
						b.Long()
						info := b.Bytes()
						require.EqualValues(t, stateReceived, info[0]&7)
						require.Zero(t, info[0]&stateAnswered, "the client would call again")
					}
				}
				require.Equal(t, c.want, got)
				require.Equal(t, 1, count[*InvokeMethod](x))
				check(t, x)
			})
		}
	}
}
