package sess

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// PFS-22: a client may have several temp keys of one kind at a time. What one of
// them does, a new one least of all, costs another neither an answer nor an
// update, and no session of it is announced twice.
func TestTempKeysSideBySide(t *testing.T) {
	for _, c := range []struct {
		name string
		kind KeyType
	}{{"temp keys", TempKey}, {"media temp keys", MediaTempKey}} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			const a, b = tempKey + 1, tempKey + 2
			slow := x.under(a, c.kind, 1, x.method("updates.getState"))
			x.under(b, c.kind, 2, tlPing(1))
			again := x.under(a, c.kind, 1, x.method("help.getNearestDc"))
			x.under(b, c.kind, 2, tlPing(2))
			x.answer("help.getNearestDc", nearestDC("NL"))
			x.answer("updates.getState", updatesState())
			x.step(&PushUpdates{Updates: x.updates(1)})
			greetings := map[int64]int{}
			answered := map[int64]int64{}
			var updates []int
			for _, m := range x.take() {
				switch m.constructor {
				case wire.IDNewSessionCreated:
					greetings[m.SessionID]++
				case wire.IDRPCResult:
					r := wire.NewReader(m.Body[4:])
					answered[r.Long()] = m.AuthKeyID
				}
				if u := pushed([]sent{m}); len(u) > 0 {
					require.EqualValues(t, a, m.AuthKeyID)
					updates = append(updates, u...)
				}
			}
			require.Equal(t, map[int64]int{1: 1, 2: 1}, greetings)
			require.Equal(t, map[int64]int64{slow.ID: a, again.ID: a}, answered)
			if c.kind == TempKey {
				require.Equal(t, []int{1}, updates)
			} else {
				require.Empty(t, updates, "rule UPD-8")
			}
		})
	}
}

// Of more temp keys than have a place the newest stay; among those that may go
// it is the one that was unused longest. A packet of a key that finds no place
// is answered as one of a key that was dropped.
func TestTempKeysAreBounded(t *testing.T) {
	type packet struct {
		key   int64
		until uint32 // end of the binding; 0: not known
	}
	for _, c := range []struct {
		name     string
		packets  []packet
		stay     []int64
		unplaced []int64
	}{
		{"room for all", []packet{{1, 100}, {2, 200}, {3, 300}}, []int64{1, 2, 3}, nil},
		{"a newer key displaces the one unused longest", []packet{{1, 100}, {2, 200}, {3, 300}, {1, 100}, {4, 400}}, []int64{1, 3, 4}, nil},
		{"an older key displaces no newer one", []packet{{2, 200}, {3, 300}, {4, 400}, {1, 100}}, []int64{2, 3, 4}, []int64{1}},
		{"an older key displaces one that is older still", []packet{{3, 300}, {1, 100}, {4, 400}, {2, 200}}, []int64{2, 3, 4}, nil},
		{"of unknown age: the one unused longest goes", []packet{{1, 0}, {2, 0}, {3, 0}, {1, 0}, {4, 0}}, []int64{1, 3, 4}, nil},
		{"of equal age, too", []packet{{1, 100}, {2, 100}, {3, 100}, {4, 100}}, []int64{2, 3, 4}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false, func(c *Config) { c.MaxTempKeys = 3 })
			var unplaced []int64
			for _, p := range c.packets {
				x.now += int64(time.Second)
				d := x.data(p.key, x.msg(p.key, tlPing(1)))
				d.AuthKeyID, d.KeyType, d.BoundUntil = p.key, TempKey, p.until
				payload := slices.Clone(d.Payload)
				x.step(d)
				for _, d := range x.out.Unplaced {
					require.Equal(t, payload, d.Payload, "its bytes are not given back yet")
					unplaced = append(unplaced, d.AuthKeyID)
				}
			}
			var stay []int64
			for _, l := range x.w.tempAuth {
				stay = append(stay, l.authKeyID)
			}
			require.ElementsMatch(t, c.stay, stay)
			require.Equal(t, c.unplaced, unplaced)
			require.Equal(t, len(unplaced), x.counts[CountTempKeysRefused])
		})
	}
}

// A temp key whose sessions are over leaves nothing behind; the wrapper goes on
// for the others.
func TestSilentTempKeysAreForgotten(t *testing.T) {
	x := newWorld(t, false)
	x.under(tempKey, TempKey, 1, tlPing(1))
	x.under(mediaKey, MediaTempKey, 2, tlPing(1))
	for range 5 {
		x.advance(60 * time.Second)
		x.recv(3, tlPing(1))
	}
	require.Empty(t, x.w.tempAuth)
	require.Empty(t, x.w.mediaTempAuth)
	require.NotNil(t, x.w.mainAuth)
	x.advance(10 * time.Minute)
	require.True(t, x.out.Done)
}

// Whatever keys speak, are bound, dropped and destroyed in whatever order: each
// kind has at most its number of lists, each list is there once and has
// sessions, and each session is in the list that it says.
func TestListsHoldTogether(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			x := newWorld(t, false, func(c *Config) { c.MaxTempKeys, c.MaxSessions = 3, 12 })
			x.login(99)
			for range 120 {
				kind := KeyType(rnd.IntN(3))
				key := int64(permKey)
				if kind != PermKey {
					key = int64(kind)*1000 + 1000 + rnd.Int64N(6)
				}
				sid := 10*key + rnd.Int64N(3)
				switch rnd.IntN(12) {
				case 0:
					x.advance(time.Duration(rnd.IntN(200)) * time.Second)
				case 1:
					x.under(key, kind, sid, tlLongs(wire.IDDropTempAuthKeys, key))
				case 2:
					if kind != PermKey {
						x.under(key, kind, sid, tlID(wire.IDDestroyAuthKey))
					}
				case 3:
					x.step(&ConnNew{ServerID: "gw2", AuthKeyID: key, KeyType: kind, SessionID: sid})
				case 4:
					x.step(&PushUpdates{Updates: x.updates(1)})
				case 5:
					if kind != PermKey {
						h := &Handover{To: permKey, List: &SessionList{authKeyID: key, keyType: kind}}
						h.List.sessions = []*session{{id: sid, list: h.List, lastSeen: x.now}}
						x.step(&Adopt{Handover: h})
					}
				case 6:
					x.under(key, kind, sid, x.method("updates.getState"))
				default:
					x.under(key, kind, sid, tlPing(1))
				}
				for ticket, c := range x.open {
					switch r := c.Request.(type) {
					case *DropTempKeys:
						gone := []int64{2000 + rnd.Int64N(6), 3000 + rnd.Int64N(6)}
						x.finish(ticket, &KeysGone{Keys: gone}, nil)
					case *DestroyKey:
						x.finish(ticket, &KeysGone{Existed: true, Keys: []int64{r.AuthKeyID}}, nil)
					case *InvokeMethod:
						x.finish(ticket, &MethodResult{Method: r.Method, PB: x.pb(r.Method, updatesState())}, nil)
					}
				}
				x.checkLists()
			}
		})
	}
}

func (x *world) checkLists() {
	x.t.Helper()
	require.LessOrEqual(x.t, len(x.w.tempAuth), x.cfg.MaxTempKeys)
	require.LessOrEqual(x.t, len(x.w.mediaTempAuth), x.cfg.MaxTempKeys)
	seen := map[int64]bool{}
	sessions := 0
	for l := range x.w.lists() {
		require.False(x.t, seen[l.authKeyID], "a key has one list")
		seen[l.authKeyID] = true
		require.NotEmpty(x.t, l.sessions)
		require.True(x.t, x.w.has(l))
		for _, s := range l.sessions {
			require.Same(x.t, l, s.list)
		}
		sessions += len(l.sessions)
	}
	require.LessOrEqual(x.t, sessions, x.cfg.MaxSessions)
	if x.w.pushes.target != nil {
		require.NotNil(x.t, x.w.pushes.target.list, "who takes updates is there")
	}
}
