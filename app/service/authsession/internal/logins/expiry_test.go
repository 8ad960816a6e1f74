package logins

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhenALoginExpires(t *testing.T) {
	for name, tc := range map[string]struct {
		configured, lastActive, own, want int64
	}{
		"as configured":              {180, 1000, 0, 1000 + 180*86400},
		"by the user's own setting":  {180, 1000, 7, 1000 + 7*86400},
		"own setting alone":          {0, 1000, 7, 1000 + 7*86400},
		"never":                      {0, 1000, 0, 0},
		"never used as far as known": {180, 0, 7, 0},
	} {
		require.Equal(t, tc.want, Rules{TTLDays: tc.configured}.Expiry(tc.lastActive, tc.own), name)
	}
}

func TestWhyALoginEndsThatNobodyUses(t *testing.T) {
	const now, before = 1_000_000, 900_000
	for name, tc := range map[string]struct {
		login           Login
		unused, overdue Reason
	}{
		"used lately":                         {Login{LastActive: before, ExpiresAt: now + 1}, Live, Live},
		"unused for long":                     {Login{LastActive: before - 1, ExpiresAt: now + 1}, Inactive, Live},
		"unused for long, it does not expire": {Login{LastActive: before - 1}, Inactive, Live},
		"no use is known":                     {Login{}, Live, Live},
		"the configured TTL is over":          {Login{LastActive: before, ExpiresAt: now}, Live, TTLExpired},
		"both":                                {Login{LastActive: before - 1, ExpiresAt: now}, Inactive, TTLExpired},
		"its own TTL is over":                 {Login{LastActive: before, ExpiresAt: now, OwnTTL: true}, TTLExpired, TTLExpired},
		"its own TTL keeps it":                {Login{LastActive: 1, ExpiresAt: now + 1, OwnTTL: true}, Live, Live},
	} {
		require.Equal(t, tc.unused, Unused(&tc.login, before, now), name)
		require.Equal(t, tc.overdue, Overdue(&tc.login, now), name)
	}
}

func TestUseMovesTheEndOfTheTTL(t *testing.T) {
	l := Login{LastActive: 100, ExpiresAt: 500}
	l.Used(150)
	require.Equal(t, Login{LastActive: 150, ExpiresAt: 550}, l)
	l.Used(120)
	require.Equal(t, Login{LastActive: 150, ExpiresAt: 550}, l, "a sign of life that comes late")
	l = Login{LastActive: 100}
	l.Used(150)
	require.Equal(t, Login{LastActive: 150}, l, "it does not expire")
}
