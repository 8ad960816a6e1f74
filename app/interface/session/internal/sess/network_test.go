package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A network that loses, repeats and reorders packets in both directions, and a
// client that insists: every call is invoked once, and answered by its own
// answer in the end; every update arrives, or the client is told to fetch it.
func TestBadNetwork(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newWorld(t, false)
		x.login(1)
		const n = 8
		calls := make([]wire.Message, 0, n)
		open, invoked := map[int64]bool{}, map[int64]int{}
		updates := map[int]bool{}
		fetch := false
		var flying []wire.Message // of the client
		lucky := func(what string, oneIn int) bool { return rapid.IntRange(1, oneIn).Draw(r, what) > 1 }

		deliver := func() {
			for len(flying) > 0 {
				i := rapid.IntRange(0, len(flying)-1).Draw(r, "next")
				m := flying[i]
				if lucky("repeated", 5) {
					flying = append(flying[:i:i], flying[i+1:]...)
				}
				if lucky("arrives", 4) {
					d := x.data(1, m)
					d.NewConn = !lucky("same connection", 6)
					x.step(d)
				}
			}
		}
		work := func() {
			for _, ticket := range x.order {
				c := x.open[ticket]
				if c == nil || !lucky("done", 3) {
					continue
				}
				inv := c.Request.(*InvokeMethod)
				x.finish(ticket, &MethodResult{Method: inv.Method, PB: x.pb(inv.Method, nearestDC(inv.Method.Name))}, nil)
			}
		}
		read := func() {
			var acks []int64
			for _, s := range x.sends {
				if !lucky("packet arrives", 4) {
					continue
				}
				for _, m := range parsePacket(t, s) {
					require.NotEqual(r, uint32(wire.IDBadMsgNotification), m.constructor)
					if m.Seq&1 != 0 {
						acks = append(acks, m.ID)
					}
					if m.constructor == wire.IDRPCResult {
						b := wire.NewReader(m.Body[4:])
						req := b.Long()
						require.Equal(r, nearestDC("help.getNearestDc"), b.Rest())
						delete(open, req)
					}
					for _, date := range pushed([]sent{m}) {
						fetch = fetch || date < 0
						delete(updates, date)
					}
				}
			}
			x.sends = nil
			if len(acks) > 0 {
				flying = append(flying, x.msg(1, tlAck(acks...)))
			}
		}
		for round := 0; round < 400 && (len(calls) < n || len(open) > 0 || len(updates) > 0); round++ {
			if len(calls) < n {
				m := x.msg(1, x.method("help.getNearestDc"))
				calls = append(calls, m)
				open[m.ID] = true
				flying = append(flying, m)
				updates[round+1] = true
				x.step(&PushUpdates{Updates: x.updates(round + 1)})
			}
			deliver()
			work()
			read()
			x.advance(time.Duration(rapid.IntRange(1, 4000).Draw(r, "ms")) * time.Millisecond)
			read()
			if round%3 == 2 { // the client insists, under the same ids
				var again []wire.Message
				for _, m := range calls {
					if open[m.ID] {
						again = append(again, m)
					}
				}
				flying = append(flying, x.container(1, append(again, x.msg(1, tlPing(1)))...))
			}
		}
		for _, c := range x.calls {
			if inv, ok := c.(*InvokeMethod); ok && inv.Method.Name == "help.getNearestDc" {
				invoked[inv.Meta.MsgID]++
			}
		}
		for _, m := range calls {
			require.Equal(r, 1, invoked[m.ID])
		}
		require.Empty(r, open, "every call has its answer")
		if !fetch {
			require.Empty(r, updates, "every update has arrived")
		}
		check(t, x)
	})
}
