package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// mtcute and TDLib repeat every call below first_msg_id under a new id, also those
// that were acknowledged. When the packets of a new session overtook each other,
// calls below it were served, and repeated. Calls that are lost have to be repeated
// all the same.
func TestCallsAroundTheGreeting(t *testing.T) {
	for name, c := range map[string]struct {
		before int           // content-related messages that the session had elsewhere
		order  []int         // in which its packets arrive; what is left out is lost
		pause  time.Duration // between them
		runs   int           // calls that are made
	}{
		"in order":                            {0, []int{0, 1, 2}, 10 * time.Millisecond, 3},
		"the second overtakes the first":      {0, []int{1, 0, 2}, 100 * time.Millisecond, 3},
		"the last overtakes both":             {0, []int{2, 1, 0}, 100 * time.Millisecond, 3},
		"the first is lost":                   {0, []int{1, 2}, 10 * time.Millisecond, 3},
		"elsewhere before, in order":          {20, []int{0, 1, 2}, 10 * time.Millisecond, 3},
		"elsewhere before, the last is first": {20, []int{2, 0, 1}, 100 * time.Millisecond, 3},
		"elsewhere before, two were lost":     {20, []int{2}, 10 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.seqs[1] = int32(c.before)
			pending := map[int64]bool{}
			var packets []wire.Message
			for range 3 {
				m := x.msg(1, x.method("help.getNearestDc"))
				pending[m.ID] = true
				packets = append(packets, m)
			}
			hear := func() {
				for _, m := range x.takeOnly(wire.IDNewSessionCreated) {
					b := wire.NewReader(m.Body[4:])
					for first, id := b.Long(), int64(0); ; {
						id = 0
						for p := range pending {
							if p < first {
								id = p
							}
						}
						if id == 0 {
							break
						}
						delete(pending, id)
						again := x.recv(1, x.method("help.getNearestDc"))
						require.GreaterOrEqual(t, again.ID, first)
					}
				}
			}
			for _, i := range c.order {
				x.step(x.data(1, packets[i]))
				hear()
				x.advance(c.pause)
				hear()
			}
			x.advance(time.Second)
			hear()
			require.Equal(t, c.runs, count[*InvokeMethod](x))
			require.Equal(t, 1, greetings(x))
			check(t, x)
		})
	}
}

func greetings(x *world) (n int) {
	for s := range x.w.sessions() {
		if s.greeted && s.greetAt == 0 {
			n++
		}
	}
	return n
}

// A login that ends meanwhile ends no session: it is announced all the same.
func TestGreetingOfAnEndedLogin(t *testing.T) {
	x := newWorld(t, false)
	x.seqs[1] = 20
	x.recv(1, x.method("help.getNearestDc"))
	x.step(&Revoked{})
	x.advance(time.Second)
	require.Len(t, x.takeOnly(wire.IDNewSessionCreated), 1)
	require.Equal(t, 1, greetings(x))
}
