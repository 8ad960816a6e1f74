package sess

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// SALT-1, SALT-3: the current salt and the last one are good, for half an hour
// each; nothing else is.
func TestSaltWindow(t *testing.T) {
	cases := []struct {
		name string
		salt int64
		at   time.Duration
		good bool
	}{
		{"current", salt0 + 1, 0, true},
		{"at its end", salt0 + 1, 30*time.Minute - time.Second, true},
		{"in its grace", salt0 + 1, 59 * time.Minute, true},
		{"after its grace", salt0 + 1, 61 * time.Minute, false},
		{"last one", salt0, 0, true},
		{"next one, clock a little ahead", salt0 + 2, 30*time.Minute - 30*time.Second, true},
		{"next one, too early", salt0 + 2, 20 * time.Minute, false},
		{"none", 1, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			x.now += int64(c.at)
			d := x.data(1, x.msg(1, tlPing(1)))
			d.Salt = c.salt
			p, _ := wire.ParsePacket(slices.Clone(d.Payload))
			x.step(d)
			msgs := x.take()
			require.Equal(t, c.good, len(msgs) == 2, names(msgs))
			for _, m := range msgs {
				require.Equal(t, x.currentSalt(), m.salt, "SALT-7")
			}
			if !c.good {
				require.Len(t, msgs, 1)
				require.Equal(t, wire.AppendBadSalt(nil, p.ID, p.Seq, x.currentSalt()), msgs[0].Body)
				require.Zero(t, msgs[0].Seq&1)

				d := x.data(1, p) // SALT-3: it was not processed, and the new salt is good
				x.step(d)
				require.Len(t, x.takeOnly(wire.IDPong), 1)
			}
		})
	}
}

// BAD-4: the salt is judged before the time.
func TestSaltBeforeTime(t *testing.T) {
	x := newWorld(t, false)
	m := x.msg(1, tlPing(1))
	m.ID = x.id(-time.Hour)
	d := x.data(1, m)
	d.Salt = 1
	x.step(d)
	require.EqualValues(t, wire.IDBadServerSalt, x.take()[0].constructor)
	x.step(x.data(1, m))
	require.EqualValues(t, wire.BadTooLow, x.takeOnly(wire.IDBadMsgNotification)[0].Body[16])
}

// A packet larger than all that may wait waits alone.
func TestLargePacketWaitsForSalts(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HeldBytes = 64 << 10 })
	x.salts = false
	x.recv(1, x.method("auth.signIn", int32(1), incompressible(x.cfg.HeldBytes), "2", "3"))
	x.recv(1, tlPing(1))
	require.Equal(t, 1, x.counts[CountHeldDropped])
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	require.True(t, x.isInvoked("auth.signIn"))
}

// Packets wait while the salts of their key are read; they are read once.
func TestPacketsWaitForSalts(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HeldPackets = 3 })
	x.salts = false
	for i := range 5 {
		x.recv(1, tlPing(int64(i)))
	}
	require.Empty(t, x.take())
	require.Equal(t, 1, count[*GetSalts](x))
	require.Equal(t, 2, x.counts[CountHeldDropped])
	ticket, r := find[*GetSalts](x, nil)
	require.Equal(t, int64(permKey), r.AuthKeyID)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	require.Len(t, x.takeOnly(wire.IDPong), 3)
}

// BFFs were told that a packet had come when its salts were read, which may be after its
// temp key has ended.
func TestAPacketThatWaitsForSaltsCameBefore(t *testing.T) {
	x := newWorld(t, false)
	x.salts = false
	d := x.data(1, x.msg(1, x.method("help.getNearestDc")))
	d.Taken = x.now/1e9 - 1
	came := d.Taken
	x.step(d)
	x.now += int64(3 * time.Second)
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	_, r := x.invoked("help.getNearestDc")
	require.Equal(t, came, r.Meta.ReceiveTime)
}

// However many temp keys wait for their salts, what they hold together is bounded.
func TestHeldPacketsOfAllKeys(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HeldPackets = 3 })
	x.salts = false
	for i := range int64(6) {
		x.under(tempKey+i, TempKey, 10+i, tlPing(1))
	}
	require.Equal(t, 3, x.counts[CountHeldDropped])
	var v View
	x.w.Inspect(&v)
	require.Equal(t, 3, v.HeldPackets)
}

// An authsession without salts costs neither packets nor logins: the client's
// salt is taken until there are some.
func TestWithoutSalts(t *testing.T) {
	x := newWorld(t, false)
	x.salts = false
	d := x.data(1, x.msg(1, tlPing(1)))
	d.Salt = 4711
	x.step(d)
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"})
	msgs := x.take()
	require.Len(t, msgs, 2)
	require.Equal(t, int64(4711), msgs[0].salt)

	d = x.data(1, x.msg(1, tlPing(2)))
	d.Salt = 4712
	x.step(d)
	require.Equal(t, int64(4712), x.take()[0].salt)
	require.Equal(t, 1, count[*GetSalts](x), "not asked on every packet")

	x.now += int64(31 * time.Second)
	x.recv(1, tlPing(3))
	require.Equal(t, 2, count[*GetSalts](x))
	require.Len(t, x.takeOnly(wire.IDPong), 1, "nor waited for again")
	ticket, _ = find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	d = x.data(1, x.msg(1, tlPing(4)))
	d.Salt = 4712
	x.step(d)
	require.EqualValues(t, wire.IDBadServerSalt, x.take()[0].constructor)
}

// Salts are read ahead of time, so that no packet waits for them.
func TestSaltsAreReadAhead(t *testing.T) {
	x := newWorld(t, false)
	reads := 0
	for range 100 {
		x.advance(3 * time.Minute)
		x.recv(1, tlPing(1))
		msgs := x.takeOnly(wire.IDPong)
		require.Len(t, msgs, 1)
		require.Equal(t, x.currentSalt(), msgs[0].salt)
		reads = count[*GetSalts](x)
	}
	require.Less(t, reads, 10)
	require.LessOrEqual(t, len(x.w.mainAuth.salts), saltsAhead+3)
}

// A list of one salt is used, and more is asked for now and then.
func TestFewSalts(t *testing.T) {
	x := newWorld(t, false)
	x.salts = false
	x.recv(1, tlPing(1))
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: []Salt{{Since: int32(epoch / 1e9), Until: int32(epoch/1e9) + 300, Salt: salt0 + 1}}}, nil)
	require.Len(t, x.takeOnly(wire.IDPong), 1)
	for range 10 {
		x.recv(1, tlPing(1))
	}
	require.Equal(t, 1, count[*GetSalts](x))
	x.now += int64(40 * time.Second)
	x.recv(1, tlPing(1))
	require.Equal(t, 2, count[*GetSalts](x))
}

// SALT-8: each transport key has its own salts.
func TestSaltsPerTransportKey(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	d := x.data(1, x.msg(1, tlPing(1)))
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	x.step(d)
	require.Equal(t, 2, count[*GetSalts](x))
	require.Len(t, x.w.tempAuth[0].sessions, 1)
	require.Len(t, x.w.mainAuth.sessions, 1)
}

// get_future_salts while authsession is down: what is known is told.
func TestFutureSaltsWithoutAuthsession(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.take()
	x.salts = false
	m := x.recv(1, tlInt(tlID(wire.IDGetFutureSalts), 10))
	second := x.recv(1, tlInt(tlID(wire.IDGetFutureSalts), 10))
	got := x.takeOnly(wire.IDFutureSalts)
	require.Len(t, got, 1, "one read at a time")
	r := wire.NewReader(got[0].Body[4:])
	require.Equal(t, second.ID, r.Long())
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"})
	got = x.takeOnly(wire.IDFutureSalts)
	r = wire.NewReader(got[0].Body[4:])
	require.Equal(t, m.ID, r.Long())
	r.Int()
	require.EqualValues(t, 3, r.Int())
}

// A client that went on to send while the salts of its key were being read, as after
// each restart, lost what found no place, without a word.
func TestBurstBeforeTheSalts(t *testing.T) {
	for name, c := range map[string]struct {
		packets int
		bytes   int // of each
		salts   bool
		taken   int
		refused int // by bad_server_salt
	}{
		"all are kept":             {32, 10, true, 32, 0},
		"too many":                 {40, 10, true, 32, 8},
		"too many bytes":           {10, 1 << 20, true, 3, 7},
		"too many, and no salts":   {40, 10, false, 32, 8},
		"far too many":             {1000, 10, true, 32, 968},
		"more than can be refused": {1200, 10, true, 32, heldStubs},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false, func(c *Config) { c.MaxInFlight = 1000 })
			x.salts = false
			sent := map[int64]int{}
			var last *Data
			for range c.packets {
				m := x.recv(1, x.method("auth.signIn", int32(1), incompressible(c.bytes), "2", "3"))
				sent[m.ID]++
				last = x.data(1, m)
			}
			again := *last
			x.step(&again)
			require.Empty(t, x.take())
			ticket, _ := find[*GetSalts](x, nil)
			if c.salts {
				x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
			} else {
				x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"})
			}
			taken := 0
			for id := range sent {
				if x.w.mainAuth.find(1).window.find(id) != nil {
					delete(sent, id)
					taken++
				}
			}
			require.Equal(t, c.taken, taken)
			refused := 0
			for _, m := range x.takeOnly(wire.IDBadServerSalt) {
				r := wire.NewReader(m.Body[4:])
				id := r.Long()
				require.NotZero(t, sent[id], "it was taken")
				r.Int()
				require.EqualValues(t, wire.BadSalt, r.Int())
				require.Equal(t, x.currentSalt(), r.Long())
				refused++
			}
			require.InDelta(t, c.refused, refused, 1, "a copy is refused as the first was, or not")
		})
	}
}

// A request over HTTP whose packet found no place is answered, too.
func TestBurstOverHTTPBeforeTheSalts(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HeldPackets = 1 })
	x.salts = false
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	lost := x.msg(1, tlPing(2))
	x.post(2, 1, lost, 7*time.Second)
	x.post(3, 1, x.msg(1, tlPing(3)), 7*time.Second)
	x.advance(time.Second)
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	x.advance(7 * time.Second) // one packet carries all answers; the others wait for more
	var all []sent
	for slot := range Slot(3) {
		msgs, ok := x.takeReply(slot + 1)
		require.True(t, ok)
		all = append(all, msgs...)
	}
	require.Equal(t, 2, strings.Count(names(all), fmt.Sprintf("%08x", uint32(wire.IDBadServerSalt))))
}
