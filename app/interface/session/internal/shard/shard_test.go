package shard

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
)

var threeNodes = []string{"10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"}

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

func TestShardCountsItself(t *testing.T) {
	s := New("10.0.0.3:20120")
	owner, mine := s.Owner(1)
	require.True(t, mine, "a node that boots alone owns everything")
	require.Equal(t, s.Self(), owner)

	s.Update([]string{"10.0.0.1:20120", "10.0.0.2:20120"}) // its own entry is not there yet
	require.Equal(t, threeNodes, s.Ring().Nodes())
	owner, mine = s.Owner(1)
	require.Equal(t, "10.0.0.1:20120", owner)
	require.False(t, mine)
	_, mine = s.Owner(9223372036854775807)
	require.True(t, mine)
}

func TestShardNeverEmpties(t *testing.T) {
	s := New("10.0.0.3:20120")
	s.Update(threeNodes)
	s.Update(nil)
	require.Equal(t, threeNodes, s.Ring().Nodes())
}

func TestShardTellsOfAddedAndRemovedNodes(t *testing.T) {
	s := New("10.0.0.1:20120")
	var seen [][]string
	s.OnChange(func(_, now *Ring) { seen = append(seen, now.Nodes()) })
	s.Update(threeNodes[:1])
	s.Update(threeNodes[:2])
	s.Update([]string{threeNodes[1], threeNodes[0]}) // the same in another order
	s.Update(threeNodes[1:2])                        // own entry lost: still there
	s.Update(threeNodes[2:])
	require.Equal(t, [][]string{
		{"10.0.0.1:20120", "10.0.0.2:20120"},
		{"10.0.0.1:20120", "10.0.0.3:20120"},
	}, seen)
	s.Close()
	s.Update(threeNodes)
	require.Len(t, seen, 2)
}

func TestLeave(t *testing.T) {
	s := New("10.0.0.1:20120")
	s.Leave()
	_, mine := s.Owner(1)
	require.True(t, mine, "who is alone stays")
	require.False(t, s.Left())

	s = New("10.0.0.1:20120")
	s.Update(threeNodes)
	s.Leave()
	require.True(t, s.Left())
	for key := range int64(100) {
		_, mine := s.Owner(key)
		require.False(t, mine)
	}
	s.Update(threeNodes)
	require.False(t, s.Ring().Has(s.Self()))
}
