package sess

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client that told another layer, or another device, with each packet had each
// stored: a thousand packets were a thousand writes in the database.
func TestWhatAClientTellsIsStoredNowAndThen(t *testing.T) {
	const packets, spell = 1000, 10 * time.Second
	config := func(x *world) []byte { return x.method("help.getConfig") }
	for name, query := range map[string]func(x *world, i int) []byte{
		"layers":           func(x *world, i int) []byte { return tlLayer(int32(200+i%2), config(x)) },
		"devices":          func(x *world, i int) []byte { return tlInitOf(fmt.Sprint(i), config(x)) },
		"both":             func(x *world, i int) []byte { return tlLayer(int32(200+i%20), tlInitOf(fmt.Sprint(i), config(x))) },
		"of many sessions": func(x *world, i int) []byte { return tlLayer(int32(200+i%7), tlInitOf(fmt.Sprint(i), config(x))) },
	} {
		for who, state := range map[string]AuthState{
			"nobody": {State: StateUnauthorized}, "a new key": {State: StateNew}, "a login": {State: StateNormal, UserID: alice},
		} {
			t.Run(name+", "+who, func(t *testing.T) {
				x := newWorld(t, false, func(c *Config) { c.AllowSeqnoDisorder = true })
				x.state = state
				writes := func() int { return count[*SetLayer](x) + count[*SetInitConnection](x) }
				for i := range packets {
					sid := int64(1)
					if name == "of many sessions" {
						sid += int64(i % 5)
					}
					x.recv(sid, query(x, i))
					for x.isInvoked("help.getConfig") {
						x.fail("help.getConfig", 400, "NO")
					}
					x.advance(spell / packets)
				}
				require.LessOrEqual(t, writes(), storeBurst+int(spell/x.cfg.StoreEvery)+1)
				x.advance(2 * x.cfg.StoreEvery)
				require.LessOrEqual(t, writes(), storeBurst+int((spell+2*x.cfg.StoreEvery)/x.cfg.StoreEvery)+1)
				for _, r := range x.calls { // the last of each counts
					switch r := r.(type) {
					case *SetLayer:
						require.NotEmpty(t, r.IP)
						x.state.Client.Layer = r.Layer
					case *SetInitConnection:
						x.state.Client.AppVersion = r.Client.AppVersion
					}
				}
				require.Equal(t, x.w.profile.layer, x.state.Client.Layer, "the last is stored in the end")
				if name != "layers" {
					require.Equal(t, fmt.Sprint(packets-1), x.state.Client.AppVersion)
				}
				before := writes()
				x.advance(10 * time.Minute)
				require.Equal(t, before, writes())
				check(t, x)
			})
		}
	}
}
