package salts

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// counter makes salts 1, 2, 3, ...
func counter() func() int64 {
	n := int64(0)
	return func() int64 { n++; return n }
}

func TestPlan(t *testing.T) {
	const now = 100_000
	salt := func(since, value int64) Salt { return Salt{since, since + Window, value} }
	for _, tc := range []struct {
		name           string
		list           []Salt
		n              int
		stored, answer []Salt
		changed        bool
	}{
		{
			"empty list", nil, 2,
			[]Salt{salt(now, 1), salt(now+1800, 2)},
			[]Salt{salt(now, 1), salt(now+1800, 2)},
			true,
		},
		{
			"handshake salt only",
			[]Salt{salt(now-10, 77)},
			2,
			[]Salt{salt(now-10, 77), salt(now+1790, 1)},
			[]Salt{salt(now-10, 77), salt(now+1790, 1)},
			true,
		},
		{
			"enough",
			[]Salt{salt(now-10, 77), salt(now+1790, 78)},
			2,
			[]Salt{salt(now-10, 77), salt(now+1790, 78)},
			[]Salt{salt(now-10, 77), salt(now+1790, 78)},
			false,
		},
		{
			"one window has passed: one is added, the passed one stays",
			[]Salt{salt(now-1801, 77), salt(now-1, 78)},
			2,
			[]Salt{salt(now-1801, 77), salt(now-1, 78), salt(now+1799, 1)},
			[]Salt{salt(now-1801, 77), salt(now-1, 78), salt(now+1799, 1)},
			true,
		},
		{
			"a passed salt is good for 1800 s",
			[]Salt{salt(now-3600, 77)},
			2,
			[]Salt{salt(now-3600, 77), salt(now-1800, 1), salt(now, 2)},
			[]Salt{salt(now-3600, 77), salt(now-1800, 1), salt(now, 2)},
			true,
		},
		{
			"and not longer",
			[]Salt{salt(now-3601, 77)},
			2,
			[]Salt{salt(now, 1), salt(now+1800, 2)},
			[]Salt{salt(now, 1), salt(now+1800, 2)},
			true,
		},
		{
			"one asked, two kept", nil, 1,
			[]Salt{salt(now, 1), salt(now+1800, 2)},
			[]Salt{salt(now, 1)},
			true,
		},
		{
			"more in store than asked",
			[]Salt{salt(now, 5), salt(now+1800, 6), salt(now+3600, 7)},
			2,
			[]Salt{salt(now, 5), salt(now+1800, 6), salt(now+3600, 7)},
			[]Salt{salt(now, 5), salt(now+1800, 6)},
			false,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := append([]Salt(nil), tc.list...)
			stored, answer, changed := Plan(tc.list, now, Window, tc.n, counter())
			require.Equal(t, tc.stored, stored)
			require.Equal(t, tc.answer, answer)
			require.Equal(t, tc.changed, changed)
			require.Equal(t, before, tc.list, "the argument is left alone")
		})
	}
}

// Over any walk through time, a salt is in force and in the answer, and every
// salt that was ever answered stays in the answers while it is good, whatever
// the windows: a client that was told of it goes on using it. Salts leave no gap
// but over times when nobody asked.
func TestPlanOverTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(1_700_000_000)
		window := rapid.SampledFrom([]int64{MinWindow, 60, Window}).Draw(t, "window")
		var list, told []Salt
		next := counter()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.IntRange(1, MaxCount).Draw(t, "n")
			stored, answer, _ := Plan(list, now, window, n, next)
			if len(stored) > maxPassed+MaxCount {
				t.Fatalf("%d salts are stored", len(stored))
			}
			for i := 1; i < len(stored); i++ {
				if before, s := stored[i-1], stored[i]; s.ValidSince < before.ValidUntil ||
					s.ValidSince > before.ValidUntil && before.ValidUntil+window >= s.ValidSince {
					t.Fatalf("gap or overlap in %v", stored)
				}
			}
			inForce, passed := false, 0
			for _, s := range answer {
				inForce = inForce || s.ValidSince <= now && now <= s.ValidUntil
				if s.ValidUntil < now {
					passed++
				}
			}
			if !inForce || len(answer)-passed != n {
				t.Fatalf("at %d: %v", now, answer)
			}
			for _, s := range told {
				if s.ValidSince <= now && now <= s.ValidUntil+Grace && passed < maxPassed && !slices.Contains(stored, s) {
					t.Fatalf("at %d: %v is forgotten", now, s)
				}
			}
			list, told = stored, append(told, answer...)
			now += rapid.Int64Range(0, 5*window).Draw(t, "later")
		}
	})
}

func TestCount(t *testing.T) {
	for num, want := range map[int32]int{0: 32, -5: 32, 1: 1, 64: 64, 65: 64, 1 << 30: 64} {
		require.Equal(t, want, Count(num), num)
	}
}

func TestDerivedSaltsAgreeAcrossNodesAndTime(t *testing.T) {
	key := make([]byte, 256)
	const id, now = -8_123_456_789_012_345_678, 1_700_000_000
	for window, passed := range map[int64]int{MinWindow: maxPassed, 60: Grace / 60, Window: 1, 3 * Window: 1} {
		key[0] = 0
		list := Derived(key, id, now, window, 3)
		require.Len(t, list, passed+3)
		require.True(t, list[passed].ValidSince <= now && now < list[passed].ValidUntil, "it is in force")
		require.Equal(t, list[1].ValidSince, list[0].ValidUntil)
		require.Equal(t, window, list[0].ValidUntil-list[0].ValidSince)
		require.Equal(t, list, Derived(key, id, now, window, 3))
		require.Equal(t, list[1:], Derived(key, id, now+window, window, 2), "later windows are the same salts")
		key[0] = 1
		require.NotEqual(t, list[0].Value, Derived(key, id, now, window, 3)[0].Value)
	}
}

func TestShortWindow(t *testing.T) {
	const now, window = 100_000, 60
	stored, answer, changed := Plan([]Salt{{now - 61, now - 1, 77}}, now, window, 2, counter())
	want := []Salt{{now - 61, now - 1, 77}, {now - 1, now + 59, 1}, {now + 59, now + 119, 2}}
	require.Equal(t, want, stored)
	require.Equal(t, want, answer)
	require.True(t, changed)
	stored, _, _ = Plan([]Salt{{now - Grace - 60, now - Grace, 77}, {now - Grace, now - Grace + 60, 78}}, now, window, 2, counter())
	want = []Salt{{now - Grace - 60, now - Grace, 77}, {now - Grace, now - Grace + 60, 78}, {now, now + 60, 1}, {now + 60, now + 120, 2}}
	require.Equal(t, want, stored, "salts stay good for the whole grace")

	var list []Salt
	for i := range int64(2 * maxPassed) {
		since := now - 1300 + 10*i
		list = append(list, Salt{since, since + 10, i})
	}
	stored, answer, _ = Plan(list, now, 10, 2, counter())
	require.Len(t, stored, maxPassed+2, "with very short windows the oldest give way")
	require.Equal(t, list[maxPassed:], stored[:maxPassed])
	require.Equal(t, stored, answer)
}

// A gateway says that a first salt lives as long as a stock one.
func TestFirst(t *testing.T) {
	for _, tc := range []struct {
		name                      string
		window, says, until, life int64
	}{
		{"stock", Window, Window, Window, 1800},
		{"the gateway's own longer life holds", Window, 24 * 3600, 24 * 3600, 1800},
		{"short windows", 60, Window, 60, 1800},
		{"shorter than the window", 60, 30, 30, 1800},
		{"long windows", 3600, Window, Window, 3600},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first := First(Salt{100, 100 + tc.says, 7}, tc.window)
			require.Equal(t, Salt{100, 100 + tc.until, 7}, first)
			require.Equal(t, tc.life, Life([]Salt{first}, tc.window))
		})
	}
}

func TestStockFormat(t *testing.T) {
	text := `[{"data2":{"predicate_name":"future_salt","valid_since":100,"valid_until":1900,"salt":-7}}]`
	list := []Salt{{100, 1900, -7}}
	require.Equal(t, text, Marshal(list))
	require.Equal(t, list, Unmarshal(text))
	require.Empty(t, Unmarshal("not json"))
}

// Stock draws salts from math/rand with the top bit always 0.
func TestWeakness14RandomSaltsUseAll64Bits(t *testing.T) {
	var or, and int64 = 0, -1
	for range 1000 {
		s := Random()
		or |= s
		and &= s
	}
	require.EqualValues(t, -1, or)
	require.Zero(t, and)
}
