package sess

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// follower is a client that does what it is told: it takes the salt of
// bad_server_salt (rule BAD-48), sets its clock by the id of a refusal (rule
// BAD-3) and sends the same again under a new id. Since ids have to grow it does
// so in a new session where its clock was set back.
type follower struct {
	x      *world
	salt   int64
	clock  int64 // what its clock is ahead of the node's, ns
	lastID int64
	moved  int64 // sessions that it opened for that
}

// say sends a call until it is taken, and returns how often it was refused. The
// clock of the world goes on by a second for each.
func (f *follower) say(sid int64, most int) (refused int) {
	f.x.t.Helper()
	for ; refused <= most; refused++ {
		id := f.x.id(time.Duration(f.clock))
		if id <= f.lastID {
			f.moved++
		}
		f.lastID = id
		in := sid + 100*f.moved
		m := wire.Message{ID: id, Seq: 2*f.x.seqs[in] + 1, Body: f.x.method("help.getNearestDc")}
		d := f.x.data(in, m)
		d.Salt = f.salt
		f.x.step(d)
		told := false
		for _, r := range f.x.take() {
			switch r.constructor {
			case wire.IDBadServerSalt:
				told = true
				p := wire.NewReader(r.Body[4+8+4+4:])
				f.salt = p.Long()
				f.clock = timeOf(r.ID) - f.x.now
				f.clock = timeOf(r.ID) - f.x.now
			case wire.IDBadMsgNotification:
				told = true
				f.clock = timeOf(r.ID) - f.x.now
			}
		}
		if !told {
			f.x.seqs[in]++
			return refused
		}
		f.x.advance(time.Second)
	}
	require.Failf(f.x.t, "refused without end", "%d times", refused)
	return refused
}

// SALT-3, BAD-48: whatever the clocks of the machine that makes the salts and of
// this one, a client is refused at most once for its salt.
func TestSaltsUnderSkewedClocks(t *testing.T) {
	for _, ahead := range []time.Duration{
		-24 * time.Hour, -8 * time.Hour, -time.Hour, -31 * time.Minute, -5 * time.Minute, -90 * time.Second, 0,
		30 * time.Second, 90 * time.Second, 5 * time.Minute, 31 * time.Minute, time.Hour, 8 * time.Hour, 24 * time.Hour,
	} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("salts are %v ahead, client has one: %v", ahead, own), func(t *testing.T) {
				x := newWorld(t, false)
				x.salts = false
				since := int32((x.now + int64(ahead)) / 1e9)
				list := []Salt{{since, since + 1800, 71}, {since + 1800, since + 3600, 72}, {since + 3600, since + 5400, 73}}
				f := &follower{x: x, salt: 1}
				if own {
					f.salt = 71
				}
				x.step(x.data(9, x.msg(9, tlPing(1))))
				ticket, _ := find[*GetSalts](x, nil)
				x.finish(ticket, &Salts{Salts: list}, nil)
				x.take()
				require.LessOrEqual(t, f.say(1, 3), 1)
				for range 20 {
					x.advance(10 * time.Second)
					require.LessOrEqual(t, f.say(1, 3), 1)
				}
			})
		}
	}
}

// A node whose clock is set while clients are there refuses each of them at most
// twice, and nobody who does nothing wrong without end: for the salt, since what
// is known of salts is about other times; and for the time.
func TestClockOfTheNodeIsSet(t *testing.T) {
	for _, by := range []time.Duration{
		-8 * time.Hour, -time.Hour, -20 * time.Minute, -2 * time.Minute, -45 * time.Second, -10 * time.Second,
		10 * time.Second, 45 * time.Second, 2 * time.Minute, 20 * time.Minute, time.Hour, 8 * time.Hour,
	} {
		for _, sid := range []int64{1, 2} {
			t.Run(fmt.Sprintf("by %v, session %d", by, sid), func(t *testing.T) {
				x := newWorld(t, false)
				f := &follower{x: x, salt: x.currentSalt()}
				require.Zero(t, f.say(1, 0))
				x.now += int64(by)
				f.clock -= int64(by) // its clock was not set
				require.LessOrEqual(t, f.say(sid, 5), 2)
				for range 30 {
					x.now += int64(2 * time.Second)
					require.LessOrEqual(t, f.say(sid, 5), 1)
				}
			})
		}
	}
}

// What is told of salts is good: the one that a refusal names at once, those of
// future_salts for all of the time that they are told for, and as much before
// and after as clocks may differ.
func TestToldSaltsAreGood(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		x := newWorld(t, false)
		l := &SessionList{authKeyID: permKey}
		at := int32(x.now/1e9) + rnd.Int32N(20_000) - 10_000
		for i := range 1 + rnd.IntN(8) {
			life := int32(60 + rnd.IntN(3600))
			l.salts = append(l.salts, Salt{at, at + life, int64(100 + i)})
			at += life
			if rnd.IntN(6) == 0 {
				at += rnd.Int32N(4000) // a gap
			}
		}
		all := l.salts
		x.w.wall, x.w.out = x.now, &x.out
		l.salts = x.w.nearSalts(all)
		for range 50 {
			require.True(t, x.w.saltGood(l, x.w.salt(l)), "seed %d: what is named is refused", seed)
			now := x.w.wall / 1e9
			for _, k := range all {
				from, to := int64(k.Since)-360, x.w.toldUntil(k)+60
				if from <= now && now < to {
					require.True(t, x.w.saltGood(l, k.Salt), "seed %d: %+v is refused at %d", seed, k, now)
				}
			}
			x.w.wall += rnd.Int64N(200) * 1e9
			l.salts = x.w.nearSalts(all)
		}
	}
}
