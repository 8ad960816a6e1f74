package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
)

var threeNodes = []string{"10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"}

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

func TestMembersCountsItself(t *testing.T) {
	s := NewMembers("10.0.0.3:20120")
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

func TestMembersNeverEmpties(t *testing.T) {
	s := NewMembers("10.0.0.3:20120")
	s.Update(threeNodes)
	s.Update(nil)
	require.Equal(t, threeNodes, s.Ring().Nodes())
}

func TestMembersTellsOfAddedAndRemovedNodes(t *testing.T) {
	s := NewMembers("10.0.0.1:20120")
	var seen [][]string
	s.OnChange(func(now *Ring) { seen = append(seen, now.Nodes()) })
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
	s := NewMembers("10.0.0.1:20120")
	s.Leave()
	_, mine := s.Owner(1)
	require.True(t, mine, "who is alone stays")
	require.False(t, s.Left())

	s = NewMembers("10.0.0.1:20120")
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

// A key that was another node's for however short a time is known as such.
func TestReacquiredSince(t *testing.T) {
	key := int64(0) // the first node's before the second's, and that before the third's
	for NewRing(threeNodes).Owner(key) != threeNodes[0] || NewRing(threeNodes[1:]).Owner(key) != threeNodes[1] {
		key++
	}
	two, all, others := threeNodes[:2], threeNodes, threeNodes[1:]
	for name, c := range map[string]struct {
		self  string
		rings [][]string
		seen  int // rings that the key has seen
		want  bool
	}{
		"nothing changed":            {self: threeNodes[0], rings: [][]string{two}, seen: 1},
		"a change that spares it":    {self: threeNodes[0], rings: [][]string{two, all}, seen: 1},
		"it is another's now":        {self: threeNodes[1], rings: [][]string{others, all}, seen: 1},
		"it was another's":           {self: threeNodes[1], rings: [][]string{others, all, others}, seen: 1, want: true},
		"it was, and has seen it":    {self: threeNodes[1], rings: [][]string{others, all, others, threeNodes[1:2]}, seen: 3},
		"it was when it was made":    {self: threeNodes[1], rings: [][]string{others, all, others}, seen: 2, want: true},
		"it was, several rings ago":  {self: threeNodes[1], rings: [][]string{others, two, others, threeNodes[1:2], others}, seen: 1, want: true},
		"its own node is a late one": {self: threeNodes[1], rings: [][]string{two, all, others}, seen: 0, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewMembers(c.self)
			seen := s.Epoch()
			for i, nodes := range c.rings {
				s.Update(nodes)
				if i < c.seen {
					seen = s.Epoch()
				}
			}
			now, back := s.ReacquiredSince(key, seen)
			require.Equal(t, c.want, back)
			if _, mine := s.Owner(key); mine {
				require.Equal(t, s.Epoch(), now)
				_, back = s.ReacquiredSince(key, now)
				require.False(t, back)
			} else {
				require.Equal(t, seen, now, "to be looked at again")
			}
		})
	}
	s := NewMembers(threeNodes[1])
	seen := s.Epoch()
	for range remembered {
		s.Update(others)
		s.Update(threeNodes[1:2])
	}
	_, back := s.ReacquiredSince(key, seen)
	require.True(t, back, "too long ago to know")
	require.Len(t, s.view.Load().past, remembered)
}

// Close ends the following in the midst of changes, which take the same lock.
func TestFollow(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("shard")
	etcd.Set(key+"/2", threeNodes[1])
	s := NewMembers(threeNodes[0])
	changed := make(chan struct{}, 100)
	s.OnChange(func(*Ring) { changed <- struct{}{} })
	require.NoError(t, s.Follow(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, 20*time.Second))
	require.Equal(t, threeNodes[:2], s.Ring().Nodes())
	<-changed
	for range 10 {
		etcd.Set(key+"/3", threeNodes[2])
		etcd.Unset(key + "/3")
	}
	<-changed
	s.Close()
	serial := s.Epoch()
	etcd.Set(key+"/4", "10.0.0.4:20120")
	require.Equal(t, serial, s.Epoch())
}

// Who may have a key that is not here: its owners of a moment ago, and of a node that
// joins, who owned it before.
func TestFormer(t *testing.T) {
	const a, b, c = "10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"
	owned := func(owner string, nodes ...string) int64 { // a key that owner has among nodes
		for key := int64(1); ; key++ {
			if NewRing(nodes).Owner(key) == owner {
				return key
			}
		}
	}
	type step struct {
		after time.Duration
		nodes []string // none: time passes
	}
	missed, left := []string{"missed"}, []string{"left"} // by the others; the others
	for name, x := range map[string]struct {
		steps []step
		key   int64
		want  []string
	}{
		"a node that is alone":       {key: 1},
		"it joins another":           {steps: []step{{0, []string{a, b}}}, key: 1, want: []string{b}},
		"it joins two":               {steps: []step{{0, []string{a, b, c}}}, key: owned(c, b, c), want: []string{c, b}}, // c may have joined in the same moment
		"it has joined long ago":     {steps: []step{{0, []string{a, b}}, {time.Minute, nil}}, key: 1},
		"another leaves":             {steps: []step{{0, []string{a, b, c}}, {time.Minute, []string{a, c}}}, key: owned(b, a, b, c), want: []string{b}},
		"another has it":             {steps: []step{{0, []string{a, b, c}}, {time.Minute, nil}}, key: owned(b, a, b, c), want: []string{b}},
		"it leaves, and has no past": {steps: []step{{0, []string{a, b, c}}, {time.Minute, left}}, key: owned(b, a, b, c)},
		"another leaves, of its own": {steps: []step{{0, []string{a, b, c}}, {time.Minute, []string{a, c}}}, key: owned(a, a, b, c)},
		"the others missed it":       {steps: []step{{0, []string{a, b, c}}, {time.Minute, missed}}, key: owned(a, a, b, c), want: []string{NewRing([]string{b, c}).Owner(owned(a, a, b, c))}},
		"they missed it, and one left meanwhile": {
			steps: []step{{0, []string{a, b, c}}, {time.Minute, missed}, {time.Second, []string{a, c}}}, key: owned(b, b, c), want: []string{c, b},
		},
		"they missed it, and it knew of none": {steps: []step{{0, missed}, {time.Second, []string{a, b}}}, key: 1, want: []string{b}},
		"two leave, one after the other":      {steps: []step{{0, []string{a, b, c}}, {time.Minute, []string{a, c}}, {time.Second, []string{a}}}, key: owned(b, a, b, c), want: []string{NewRing([]string{a, c}).Owner(owned(b, a, b, c)), b}},
	} {
		t.Run(name, func(t *testing.T) {
			m, now := NewMembers(a), int64(time.Hour)
			m.now = func() int64 { return now }
			for _, s := range x.steps {
				now += int64(s.after)
				if slices.Equal(s.nodes, missed) {
					m.rejoin()
					continue
				}
				if slices.Equal(s.nodes, left) {
					m.Leave()
					now += int64(time.Minute)
					continue
				}
				m.Update(s.nodes)
			}
			want := slices.DeleteFunc(slices.Clone(x.want), func(n string) bool { return n == a })
			require.Equal(t, want, m.former(x.key, now-int64(13*time.Second)))
		})
	}
}
