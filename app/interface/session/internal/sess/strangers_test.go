package sess

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Many keys at one address cost as little as few: what they have a node unpack is bounded
// for all of them together.
func TestStrangersAtOneAddressShareWhatIsReadForThem(t *testing.T) {
	const (
		rate   = 1 << 20
		size   = 200 << 10
		shared = strangerBurst*rate/(2*size) + 1 // each is unpacked, and what is inside is decoded
	)
	for name, c := range map[string]struct {
		ip    func(key int) string
		login bool
		want  int // of 50 packets those that are read; the others are answered 420
	}{
		"one address":                       {ip: func(int) string { return "192.0.2.7" }, want: shared},
		"an IPv6 network":                   {ip: func(key int) string { return fmt.Sprintf("2001:db8::%x:1", key) }, want: shared},
		"the same address written as IPv6":  {ip: func(key int) string { return []string{"192.0.2.7", "::ffff:192.0.2.7"}[key%2] }, want: shared},
		"an address each":                   {ip: func(key int) string { return fmt.Sprintf("192.0.2.%d", key) }, want: 50},
		"a gateway that tells no addresses": {ip: func(int) string { return "" }, want: 50},
		"logins":                            {ip: func(int) string { return "192.0.2.7" }, login: true, want: 50},
	} {
		t.Run(name, func(t *testing.T) {
			strangers := newWorld(t, false).cfg.strangers
			read := 0
			for key := range 50 {
				x := newWorld(t, false, func(c *Config) { c.StrangerBytes = rate })
				x.cfg.strangers = strangers
				if c.login {
					x.login(1)
				} else {
					x.state = AuthState{State: StateUnauthorized}
					x.recv(1, x.method("help.getNearestDc"))
				}
				x.take()
				m := x.msg(1, gzipped(t, x.sendCode(strings.Repeat("1", size))))
				d := x.data(1, m)
				d.ClientIP = c.ip(key)
				if name == "a gateway that tells no addresses" {
					strangers.rooms = map[origin]room{} // each world has the same key
				}
				x.step(d)
				if x.isInvoked("auth.sendCode") {
					read++
				} else {
					require.Equal(t, "420 FLOOD_WAIT_1", x.rpcError(x.take(), m.ID))
				}
			}
			require.Equal(t, c.want, read)
		})
	}
}

// What was used comes back with time, and origins that have everything again are not
// remembered for ever.
func TestStrangersHaveRoomAgain(t *testing.T) {
	const rate = 1000
	x := &strangers{rooms: map[origin]room{}}
	a, now := originOf("192.0.2.1", 1), int64(time.Hour)
	x.use(a, strangerBurst*rate+500, now, rate)
	require.False(t, x.admits(a, now, rate))
	require.False(t, x.admits(a, now+int64(500*time.Millisecond), rate))
	require.True(t, x.admits(a, now+int64(501*time.Millisecond), rate))
	require.True(t, x.admits(a, now-int64(time.Second), rate) == x.admits(a, now, rate), "a time that goes back changes nothing")
	require.True(t, x.admits(originOf("192.0.2.2", 1), now, rate))

	for i := range maxOrigins {
		x.use(origin{key: int64(i + 1)}, 1, now, rate)
	}
	require.Len(t, x.rooms, maxOrigins)
	b := origin{key: -1}
	x.use(b, strangerBurst*rate, now+int64(500*time.Millisecond), rate)
	require.NotContains(t, x.rooms, b, "no room in this second: the keys are bounded all the same")
	x.use(b, strangerBurst*rate, now+int64(10*time.Second), rate)
	require.Len(t, x.rooms, 1)
	require.False(t, x.admits(b, now+int64(10*time.Second), rate))
}

// Forty bytes asked for a hundred kilobytes, as often as a client liked: what answers have
// counts as what calls become. Another key at the address is let be.
func TestStrangersPayForLongAnswers(t *testing.T) {
	const rate, size = 1 << 20, 100 << 10
	strangers := newWorld(t, false).cfg.strangers
	meet := func(name string) *world {
		x := newWorld(t, false, func(c *Config) { c.StrangerBytes = rate })
		x.cfg.strangers = strangers
		if name == "login" {
			x.login(1)
		} else {
			x.state = AuthState{State: StateUnauthorized}
		}
		x.recv(1, x.method("help.getNearestDc"))
		x.answer("help.getNearestDc", nearestDC("de"))
		x.take()
		return x
	}
	ask := func(x *world, size int) (refused bool) {
		m := x.recv(1, x.method("help.getNearestDc"))
		if !x.isInvoked("help.getNearestDc") {
			require.Equal(t, "420 FLOOD_WAIT_1", x.rpcError(x.take(), m.ID))
			return true
		}
		x.answer("help.getNearestDc", nearestDC(incompressible(size)))
		x.take()
		return false
	}
	x := meet("stranger")
	n := 0
	for ; !ask(x, size); n++ {
		require.Less(t, n, 1000)
	}
	require.Equal(t, strangerBurst*rate/size+1, n)
	x.advance(200 * time.Millisecond)
	require.False(t, ask(x, size), "as time goes by")

	strangers.rooms = map[origin]room{originOf("192.0.2.1", permKey): {-1, x.now}}
	y := meet("stranger")
	for range 100 {
		require.False(t, ask(y, 10), "small answers of another key, wherever it is")
	}
	z := meet("login")
	for range 100 {
		require.False(t, ask(z, size))
	}
}
