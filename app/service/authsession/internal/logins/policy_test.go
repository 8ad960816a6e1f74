package logins

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// many are logins of one user on the keys 1, 2 and so on, each active after the one before;
// the letters are their device types.
func many(types string) (list []Login) {
	for i, kind := range types {
		n := int64(i + 1)
		list = append(list, Login{ID: 100 + n, AuthKeyID: n, UserID: 7, Hash: 1000 + n, DeviceType: string(kind), LastActive: n})
	}
	return list
}

func TestWhatThePolicyEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		rules Rules
		own   Policy
		live  string
		kind  string
		want  []int64
	}{
		"nothing is configured":              {Rules{}, Policy{}, "aab", "a", nil},
		"none":                               {Rules{Strategy: Unlimited, Limit: 1}, Policy{}, "aab", "a", nil},
		"one":                                {Rules{Strategy: OneLogin}, Policy{}, "aab", "c", []int64{103, 102, 101}},
		"one of a type":                      {Rules{Strategy: OnePerDeviceType}, Policy{}, "aab", "a", []int64{102, 101}},
		"one of a type, the first of it":     {Rules{Strategy: OnePerDeviceType}, Policy{}, "aab", "c", nil},
		"a limit":                            {Rules{Strategy: LimitAll, Limit: 2}, Policy{}, "aab", "c", []int64{102, 101}},
		"a limit that is not reached":        {Rules{Strategy: LimitAll, Limit: 4}, Policy{}, "aab", "c", nil},
		"a limit of zero counts as one":      {Rules{Strategy: LimitAll}, Policy{}, "aab", "c", []int64{103, 102, 101}},
		"a limit of a type":                  {Rules{Strategy: LimitPerDeviceType, Limit: 2}, Policy{}, "aaab", "a", []int64{102, 101}},
		"other types do not count":           {Rules{Strategy: LimitPerDeviceType, Limit: 2}, Policy{}, "abbb", "a", nil},
		"a total beside a limit of a type":   {Rules{Strategy: LimitPerDeviceType, Limit: 2, Total: 3}, Policy{}, "aaab", "a", []int64{102, 101}},
		"a total over all types":             {Rules{Strategy: LimitPerDeviceType, Limit: 2, Total: 3}, Policy{}, "bbcc", "a", []int64{102, 101}},
		"a total alone":                      {Rules{Strategy: Unlimited, Total: 2}, Policy{}, "abc", "d", []int64{102, 101}},
		"the stricter of total and limit":    {Rules{Strategy: LimitAll, Limit: 5, Total: 2}, Policy{}, "abc", "d", []int64{102, 101}},
		"a user's own strategy":              {Rules{Strategy: OneLogin}, Policy{Strategy: Unlimited}, "aab", "a", nil},
		"it is free of the total":            {Rules{Strategy: Unlimited, Total: 1}, Policy{Strategy: Unlimited}, "aab", "a", nil},
		"its limit is the configured one":    {Rules{Limit: 2}, Policy{Strategy: LimitAll}, "aab", "a", []int64{102, 101}},
		"a user's own limit alone":           {Rules{Strategy: LimitAll, Limit: 1}, Policy{Limit: 3}, "aab", "a", []int64{101}},
		"a user's own limit keeps the total": {Rules{Strategy: LimitAll, Limit: 1, Total: 2}, Policy{Limit: 3}, "aab", "a", []int64{102, 101}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.rules.Surplus(tc.own, many(tc.live), 99, tc.kind))
		})
	}
}

// What a policy may end at all.
func TestWhatThePolicyLimits(t *testing.T) {
	for _, tc := range []struct {
		rules        Rules
		own          Policy
		some, ofType bool
	}{
		{Rules{}, Policy{}, false, true},
		{Rules{Strategy: OneLogin}, Policy{Strategy: Unlimited}, false, true},
		{Rules{Strategy: OnePerDeviceType}, Policy{}, true, true},
		{Rules{Strategy: LimitPerDeviceType, Total: 3}, Policy{}, true, false},
		{Rules{}, Policy{Strategy: LimitAll, Limit: 2}, true, false},
		{Rules{Total: 3}, Policy{}, true, false},
	} {
		some, ofType := tc.rules.Limits(tc.own)
		require.Equal(t, []bool{tc.some, tc.ofType}, []bool{some, ofType}, "%+v", tc)
	}
}

// The login that the policy is enforced for stays, in the list or not, and counts once.
func TestThePolicySparesTheLoginOnTheKey(t *testing.T) {
	require.Equal(t, []int64{103, 102}, Rules{Strategy: OneLogin}.Surplus(Policy{}, many("aaa"), 1, "a"))
	require.Equal(t, []int64{102}, Rules{Strategy: LimitAll, Limit: 2}.Surplus(Policy{}, many("aaa"), 1, "a"))
}

// Logins that were active at the same time go by their rows: which of them ends does not depend
// on the order in which they were read.
func TestThePolicyDoesNotDependOnTheOrderOfTheList(t *testing.T) {
	live := []Login{{ID: 1, AuthKeyID: 1}, {ID: 3, AuthKeyID: 3}, {ID: 2, AuthKeyID: 2}}
	require.Equal(t, []int64{2, 1}, Rules{Strategy: LimitAll, Limit: 2}.Surplus(Policy{}, live, 9, "a"))
}
