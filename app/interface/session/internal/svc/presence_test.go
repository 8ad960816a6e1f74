package svc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// announced is a machine that is online from its first packet on, and counts how
// often status is said to have forgotten it.
type announced struct {
	key       int64
	forgotten *int
}

func (m announced) Step(_, _ int64, in sess.Input, out *sess.Effects) {
	switch in.(type) {
	case *sess.Data:
		out.Calls = append(out.Calls, sess.Call{Request: &sess.SetOnline{UserID: 1000 + m.key, AuthKeyID: m.key}})
	case *sess.Forgotten:
		*m.forgotten++
	}
}

// nodeOf makes a node that has n keys online, and no peers.
func nodeOf(n int64, forgotten *int) *ServiceContext {
	s := &ServiceContext{Config: config.Config{}, Cluster: cluster.New("10.0.0.1:20120")}
	s.Runloop = runloop.New(runloop.Options{
		New:    func(key int64, _ bool) runloop.Machine { return announced{key, forgotten} },
		Notify: func(sess.Request) {}, Now: func() int64 { return 1 },
		Spawn: func(f func()) { f() }, MailboxItems: 10, MailboxBytes: 1 << 10, CallLimit: 1, PeerLimit: 1, PeerQueue: 4,
	})
	for key := range n {
		_ = s.Runloop.Post(key, false, &sess.Data{})
	}
	return s
}

// All keys are asked about in turn: few within five seconds, of many a hundred a
// second, and a thousand while others may have reported them wrongly.
func TestRecheckGoesAround(t *testing.T) {
	for name, c := range map[string]struct {
		keys   int64
		moved  bool
		rounds int // until all have been asked about
		most   int // how many at a time
	}{
		"few":              {keys: 200, rounds: 6, most: 100},
		"many":             {keys: 5000, rounds: 64, most: 300},
		"many that moved":  {keys: 5000, moved: true, rounds: 9, most: 2000},
		"nobody is online": {rounds: 1},
	} {
		t.Run(name, func(t *testing.T) {
			forgotten := 0
			s := nodeOf(c.keys, &forgotten)
			now := int64(time.Hour)
			if c.moved {
				now = 1
			}
			asked := map[int64]bool{}
			for range c.rounds {
				now += int64(time.Second)
				s.Recheck(t.Context(), now, func(_ context.Context, entries []peers.Entry) ([]peers.Entry, error) {
					if len(asked) > 0 { // it finds out how many there are
						require.LessOrEqual(t, len(entries), c.most)
					}
					for _, e := range entries {
						require.Equal(t, 1000+e.AuthKeyID, e.UserID)
						asked[e.AuthKeyID] = true
					}
					return nil, nil
				})
			}
			require.Len(t, asked, int(c.keys))
			require.Zero(t, forgotten)
		})
	}
}

// What is missing is told to its key, unless another node may have it.
func TestRecheckTellsWhatIsMissing(t *testing.T) {
	forgotten := 0
	s := nodeOf(3, &forgotten)
	all := func(_ context.Context, entries []peers.Entry) ([]peers.Entry, error) { return entries, nil }
	around := func(ask func(context.Context, []peers.Entry) ([]peers.Entry, error)) {
		for i := range 10 {
			s.Recheck(t.Context(), int64(time.Hour)+int64(i)*int64(time.Second), ask)
		}
	}
	around(func(context.Context, []peers.Entry) ([]peers.Entry, error) { return nil, errors.New("status is away") })
	require.Zero(t, forgotten)
	around(all)
	require.GreaterOrEqual(t, forgotten, 3)
	forgotten = 0
	s.Cluster.Update([]string{"10.0.0.1:20120", "10.0.0.2:20120"})
	around(all)
	require.Zero(t, forgotten, "nodes may not agree yet whose they are")
	var later []func()
	s.Cluster.Join(s.Runloop, cluster.Options{Later: func(_ time.Duration, f func()) func() {
		later = append(later, f)
		return func() {}
	}})
	s.Cluster.Update([]string{"10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"})
	for _, f := range later {
		f()
	}
	mine := 0
	for key := range int64(3) {
		if s.Cluster.Owns(key) {
			mine++
		}
	}
	s.rechecked = recheck{}
	for range 5 {
		s.Recheck(t.Context(), int64(2*time.Hour), all)
	}
	require.GreaterOrEqual(t, forgotten, mine)
	require.Less(t, forgotten, 3*5)
}

// A node that leaves waits for the last pushes, and no longer.
func TestLinger(t *testing.T) {
	for name, c := range map[string]struct {
		pushes time.Duration // how long they come
		began  time.Duration // how long ago the node left
		budget time.Duration
		lasts  time.Duration
	}{
		"nobody pushes":           {budget: time.Minute, lasts: time.Second},
		"it has drained for long": {began: 5 * time.Second, budget: time.Minute},
		"pushes come for a while": {pushes: 3 * time.Second, budget: time.Minute, lasts: 4 * time.Second},
		"pushes never end":        {pushes: time.Hour, budget: time.Minute, lasts: 8 * time.Second},
		"no time is left":         {pushes: time.Hour, budget: 2 * time.Second, lasts: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &ServiceContext{Config: config.Config{}}
				s.Config.Etcd = discov.EtcdConf{Hosts: []string{"127.0.0.1:2379"}, Key: "interface.session"}
				ctx, cancel := context.WithTimeout(t.Context(), c.budget)
				defer cancel()
				began := time.Now()
				go func() {
					for time.Since(began) < c.pushes && ctx.Err() == nil {
						s.Pushed(nil)
						time.Sleep(500 * time.Millisecond)
					}
				}()
				synctest.Wait()
				s.linger(ctx, began.Add(-c.began))
				require.InDelta(t, c.lasts, time.Since(began), float64(600*time.Millisecond))
				cancel()
				time.Sleep(time.Second) // sync sees that it is over
			})
		})
	}
}
