package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Telegram Desktop sends a message that was refused by code 16 or 48 again with
// its old id, in a fresh container. That was answered by code 20, on which it gives
// the call up, though the session had refused the id itself a moment ago.
func TestRefusedMessageComesAgainInAContainer(t *testing.T) {
	const unknown = 99 // a salt
	for name, c := range map[string]struct {
		behind time.Duration
		salt   int64 // of the first try; 0: the current one
		alone  bool  // the first try is no container
		want   wire.BadMsg
	}{
		"a minute behind":                       {time.Minute, unknown, true, wire.BadSalt},
		"6 minutes behind":                      {6 * time.Minute, 0, true, wire.BadTooLow},
		"6 minutes behind, wrong salt":          {6 * time.Minute, unknown, true, wire.BadSalt},
		"an hour behind":                        {time.Hour, 0, true, wire.BadTooLow},
		"an hour behind, in a container":        {time.Hour, 0, false, wire.BadTooLow},
		"a day behind, wrong salt":              {24 * time.Hour, unknown, true, wire.BadSalt},
		"a day behind, in a container, as well": {24 * time.Hour, unknown, false, wire.BadSalt},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			call, second := x.msg(1, x.method("help.getNearestDc")), x.msg(1, x.method("help.getConfig"))
			call.ID, second.ID = x.id(-c.behind), x.id(-c.behind)
			first := call
			if !c.alone {
				first = x.container(1, call, second)
				first.ID = x.id(-c.behind)
			}
			d := x.data(1, first)
			if c.salt != 0 {
				d.Salt = c.salt
			}
			x.step(d)
			msgs := x.take()
			require.Len(t, msgs, 1)
			if c.want == wire.BadSalt {
				require.EqualValues(t, wire.IDBadServerSalt, msgs[0].constructor)
			} else {
				require.Equal(t, wire.AppendBadMsg(nil, first.ID, first.Seq, c.want), msgs[0].Body)
			}
			require.Zero(t, count[*InvokeMethod](x))

			for range 3 { // and again: done once
				x.step(x.data(1, x.container(1, call, second)))
				require.Empty(t, x.takeOnly(wire.IDBadMsgNotification))
				require.Equal(t, 2, count[*InvokeMethod](x))
			}
			x.answer("help.getNearestDc", nearestDC("NL"))
			_, ok := result(x.take(), call.ID)
			require.True(t, ok)
			x.step(x.data(1, x.container(1, call)))
			_, ok = result(x.take(), call.ID)
			require.True(t, ok, "from memory")
			require.Equal(t, 2, count[*InvokeMethod](x))
		})
	}
}

// What the session may have forgotten is not done: it may have been done before.
func TestForgottenMessageIsNotDone(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.Window = 16 })
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.ackAll(1)
	for i := range 10 {
		x.recv(1, tlPing(int64(i)))
	}
	x.now += int64(x.cfg.MaxPast) + int64(time.Second)
	for i := range 100 {
		x.recv(1, tlPing(int64(i)))
	}
	x.take()
	require.Nil(t, x.w.mainAuth.find(1).window.find(call.ID))
	for name, want := range map[string]struct {
		m    wire.Message
		code wire.BadMsg
	}{
		"alone":          {call, wire.BadTooLow},
		"in a container": {x.container(1, call), wire.BadTooOld},
	} {
		t.Run(name, func(t *testing.T) {
			x.t = t
			x.step(x.data(1, want.m))
			bad := x.takeOnly(wire.IDBadMsgNotification)
			require.Len(t, bad, 1)
			require.Equal(t, wire.AppendBadMsg(nil, call.ID, call.Seq, want.code), bad[0].Body)
			require.Equal(t, 1, count[*InvokeMethod](x))
		})
	}
}

// A client that corrects its clock by the wrong sign repeats a call at once after
// each code 17, 50 times a second.
func TestClientThatRepeatsItselfIsTurnedDown(t *testing.T) {
	for name, refused := range map[string]func(x *world) *Data{
		"clock ahead": func(x *world) *Data {
			m := x.msg(1, x.method("help.getNearestDc"))
			m.ID = x.id(45 * time.Second)
			return x.data(1, m)
		},
		"clock behind": func(x *world) *Data {
			m := x.msg(1, x.method("help.getNearestDc"))
			m.ID = x.id(-time.Hour)
			return x.data(1, m)
		},
		"wrong salt": func(x *world) *Data {
			d := x.data(1, x.msg(1, x.method("help.getNearestDc")))
			d.Salt = 99
			return d
		},
		"wrong seqno": func(x *world) *Data {
			m := x.msg(1, x.method("help.getNearestDc"))
			m.Seq++
			return x.data(1, m)
		},
		"bad container": func(x *world) *Data { return x.data(1, x.container(1, x.container(1))) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.recv(1, tlPing(1))
			x.take()
			tries := func(d time.Duration) (n int) {
				for end := x.now + int64(d); x.now < end; x.now += int64(20 * time.Millisecond) {
					x.step(refused(x))
					n += len(x.take())
				}
				return n
			}
			require.Equal(t, 50, tries(time.Second), "as many messages may be on their way at once")
			require.LessOrEqual(t, tries(10*time.Second), 14+10)
			require.NotZero(t, x.counts[CountSilenced])

			x.recv(1, tlPing(2))
			x.take()
			require.Equal(t, 50, tries(time.Second), "what was wrong is mended")
		})
	}
}
