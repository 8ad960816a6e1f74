package sess

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// privacy is account.setPrivacy with n rules of four bytes, each of which is ten
// times as long in protobuf.
func (x *world) privacy(n int) []byte {
	b := append(x.method("account.setPrivacy"), tlID(0x4f96cb18)...)
	b = tlInt(append(b, tlID(wire.IDVector)...), int32(n))
	return append(b, bytes.Repeat(tlID(0x184b35ce), n)...)
}

// padded is gzip_packed with zeros behind what is packed, which improve its ratio.
func padded(packed []byte, n int) []byte {
	r := wire.NewReader(packed[4:])
	return wire.AppendGzip(nil, append(bytes.Clone(r.Bytes()), make([]byte, n)...))
}

// letters is n letters that do not shrink much.
func letters(n int) string {
	b := []byte(incompressible(n))
	for i := range b {
		b[i] = 'A' + b[i]&31
	}
	return string(b)
}

func (x *world) sendCode(phone string) []byte {
	return append(x.method("auth.sendCode", phone, int32(1), "hash"), binary.LittleEndian.AppendUint32(tlID(0xad253d78), 0)...)
}

// A hundred kilobytes of a key that nobody is logged in with cost 350 MiB and half
// a second, and a call that no BFF takes was made all the same, which closed its
// method for everybody.
func TestCallsCostWhatTheirKeyIsWorth(t *testing.T) {
	const tooLong, later = "400 INPUT_REQUEST_TOO_LONG", "420 FLOOD_WAIT_1"
	login := func(x *world) { x.login(1) }
	nobody := func(x *world) {
		x.state = AuthState{State: StateUnauthorized}
		x.recv(1, tlPing(1))
	}
	unknown := func(x *world) {
		x.states = false
		x.recv(1, tlPing(1))
	}
	unbound := func(*world) {}
	for name, c := range map[string]struct {
		who  func(*world)
		call func(*world) []byte
		want string // the answer; empty: the call is made or waits
		cost int    // most KiB that are allocated
	}{
		"a login, 3 MiB":                        {login, func(x *world) []byte { return x.sendCode(letters(3 << 20)) }, "", 20 << 10},
		"a login, 5 MiB":                        {login, func(x *world) []byte { return x.sendCode(letters(5 << 20)) }, tooLong, 20 << 10},
		"a login, packed, 5 MiB":                {login, func(x *world) []byte { return gzipped(x.t, x.sendCode(letters(5<<20))) }, tooLong, 40 << 10},
		"a login, many rules":                   {login, func(x *world) []byte { return x.privacy(50_000) }, "", 10 << 10},
		"a login, too many rules":               {login, func(x *world) []byte { return x.privacy(200_000) }, tooLong, 20 << 10},
		"a login, a bomb":                       {login, func(x *world) []byte { return gzipped(x.t, x.privacy(2_600_000)) }, tooLong, 8 << 10},
		"a login, a bomb with zeros behind":     {login, func(x *world) []byte { return padded(gzipped(x.t, x.privacy(2_600_000)), 100_000) }, tooLong, 8 << 10},
		"a login, a bomb inside":                {login, func(x *world) []byte { return tlLayer(223, gzipped(x.t, x.privacy(2_600_000))) }, tooLong, 8 << 10},
		"a login, 5 MiB that are no text":       {login, func(x *world) []byte { return x.sendCode(incompressible(5 << 20)) }, tooLong, 24 << 10},
		"nobody, a code":                        {nobody, func(x *world) []byte { return x.sendCode("1555") }, "", 64},
		"nobody, a long call":                   {nobody, func(x *world) []byte { return x.sendCode(letters(200 << 10)) }, "", 1 << 10},
		"nobody, 300 KiB":                       {nobody, func(x *world) []byte { return x.sendCode(letters(300 << 10)) }, tooLong, 1 << 10},
		"nobody, packed, 300 KiB":               {nobody, func(x *world) []byte { return gzipped(x.t, x.sendCode(strings.Repeat("1", 300<<10))) }, tooLong, 1 << 10},
		"nobody, packed, 5 MiB":                 {nobody, func(x *world) []byte { return gzipped(x.t, x.sendCode(strings.Repeat("1", 5<<20))) }, tooLong, 1 << 10},
		"nobody, what needs a login":            {nobody, func(x *world) []byte { return x.privacy(60_000) }, "401 AUTH_KEY_UNREGISTERED", 64},
		"nobody, what needs one and is no call": {nobody, func(x *world) []byte { return append(x.method("account.setPrivacy"), 1, 2, 3, 4) }, "401 AUTH_KEY_UNREGISTERED", 64},
		"nobody, packed, what needs a login":    {nobody, func(x *world) []byte { return gzipped(x.t, x.privacy(60_000)) }, "401 AUTH_KEY_UNREGISTERED", 1 << 10},
		"nobody, a bomb":                        {nobody, func(x *world) []byte { return padded(gzipped(x.t, x.privacy(2_600_000)), 100_000) }, tooLong, 1 << 10},
		"not known yet, a part of a file": {unknown, func(x *world) []byte {
			return x.method("upload.saveFilePart", int64(1), int32(1), incompressible(512<<10))
		}, "", 2 << 10},
		"not known yet, a bomb":              {unknown, func(x *world) []byte { return padded(gzipped(x.t, x.privacy(2_600_000)), 100_000) }, later, 1 << 10},
		"not known yet, many rules":          {unknown, func(x *world) []byte { return x.privacy(50_000) }, later, 2 << 10},
		"an unbound key, what needs a login": {unbound, func(x *world) []byte { return x.privacy(60_000) }, "401 AUTH_KEY_PERM_EMPTY", 64},
		"an unbound key, a bomb":             {unbound, func(x *world) []byte { return padded(gzipped(x.t, x.privacy(2_600_000)), 100_000) }, tooLong, 1 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, strings.HasPrefix(name, "an unbound"))
			c.who(x)
			x.take()
			m := x.msg(1, c.call(x))
			d := x.data(1, m)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			x.step(d)
			runtime.ReadMemStats(&after)
			require.Equal(t, c.want, x.rpcError(x.take(), m.ID))
			require.LessOrEqual(t, int(after.TotalAlloc-before.TotalAlloc)>>10, c.cost)
			require.Empty(t, x.cfg.turns, "a turn is over when its packet is")
			require.False(t, c.want != "" && len(x.open) > 1, "nothing is asked of anybody but for the state")
		})
	}
}

// Packets that become large are read by a few at a time. Others are not held up.
func TestLargePacketsAreReadInTurn(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(*world) []byte
		waits bool
	}{
		"a ping": {func(*world) []byte { return tlPing(1) }, false},
		"a part of a file": {func(x *world) []byte {
			return x.method("upload.saveFilePart", int64(1), int32(1), incompressible(512<<10))
		}, false},
		"packed, 60 KB":  {func(x *world) []byte { return gzipped(x.t, x.sendCode(strings.Repeat("1", 60_000))) }, false},
		"packed, 100 KB": {func(x *world) []byte { return gzipped(x.t, x.sendCode(strings.Repeat("1", 100_000))) }, true},
		"a few rules":    {func(x *world) []byte { return x.privacy(1000) }, false},
		"many rules":     {func(x *world) []byte { return x.privacy(20_000) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newWorld(t, false, func(c *Config) { c.WorkBytes = 64 << 20 })
				turns := cap(x.cfg.turns)
				require.Equal(t, max(1, min(2, runtime.GOMAXPROCS(0)/2)), turns)
				x.login(1)
				in := make([]incoming, turns)
				for i := range in {
					x.w.takeTurn(&in[i])
					x.w.takeTurn(&in[i])
				}
				done := false
				d := x.data(1, x.msg(1, c.call(x)))
				go func() {
					x.step(d)
					done = true
				}()
				synctest.Wait()
				require.Equal(t, c.waits, !done)
				for i := range in {
					x.w.leaveTurn(&in[i])
					x.w.leaveTurn(&in[i])
				}
				synctest.Wait()
				require.True(t, done)
				require.Empty(t, x.cfg.turns)
			})
		})
	}
}

// A panic in the middle keeps no turn.
func TestTurnEndsWithAPanic(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.w.schema = nil
	m := x.msg(1, gzipped(t, x.sendCode(strings.Repeat("1", 100_000))))
	require.Panics(t, func() { x.w.Step(x.now, x.now, x.data(1, m), &x.out) })
	require.Empty(t, x.cfg.turns)
}
