package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/chaos/plan"
)

// take draws faults as a run does, which keeps count of who has joined.
func take(p *plan.Plan, n int) []plan.Fault {
	var faults []plan.Fault
	extra := false
	for range n {
		f := p.Next(extra)
		switch f.Kind {
		case plan.Join:
			extra = true
		case plan.Leave:
			extra = false
		}
		faults = append(faults, f)
	}
	return faults
}

func TestEachOnceThenAtRandom(t *testing.T) {
	all := plan.All()
	p := plan.New(1, all)
	require.Equal(t, len(all), p.Left())
	faults := take(p, len(all))
	require.Zero(t, p.Left())
	for i, f := range faults {
		require.True(t, f.Turn)
		require.Equal(t, all[i], f.Type, "the order is that of All")
		require.Positive(t, f.For)
	}
	seen := map[plan.Type]bool{}
	for _, f := range take(p, 2000) {
		require.False(t, f.Turn)
		require.GreaterOrEqual(t, f.For, time.Second)
		require.Less(t, f.For, 15*time.Second)
		seen[f.Type] = true
	}
	require.Len(t, seen, len(all), "all of them come")
}

func TestASeedMakesAPlan(t *testing.T) {
	draw := func(seed uint64) []plan.Fault { return take(plan.New(seed, plan.All()), 200) }
	require.Equal(t, draw(7), draw(7))
	require.NotEqual(t, draw(7), draw(8))
}

func TestNodesJoinAndLeaveInTurn(t *testing.T) {
	p := plan.New(3, []plan.Type{{Kind: plan.Leave, Target: plan.Session}, {Kind: plan.Join, Target: plan.Session}})
	last := plan.Leave
	for _, f := range take(p, 100) {
		require.NotEqual(t, last, f.Kind)
		last = f.Kind
	}
}

func TestKills(t *testing.T) {
	for _, tc := range []struct {
		of   plan.Type
		want bool
	}{
		{plan.Type{Kind: plan.Kill, Target: plan.Session}, true},
		{plan.Type{Kind: plan.Kill, Target: plan.AuthSession}, false},
		{plan.Type{Kind: plan.Term, Target: plan.Session}, false},
		{plan.Type{Kind: plan.Stop, Target: plan.Session}, false},
	} {
		require.Equal(t, tc.want, tc.of.Kills(), tc.of.String())
	}
}

func TestTheShortFormIsPartOfAll(t *testing.T) {
	require.Subset(t, plan.All(), plan.Brief())
}
