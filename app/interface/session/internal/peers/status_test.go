package peers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

const here = "10.0.0.1:20120"

// entries is a status service on no network.
type entries struct {
	mu    sync.Mutex
	nodes map[Entry]string
	log   []string
	err   error // of everything
	dumb  bool  // it does not say who is online
}

func (e *entries) Invoke(_ context.Context, method string, in, out any, _ ...grpc.CallOption) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	switch in := in.(type) {
	case *statuspb.TLStatusSetSessionOnline:
		e.log = append(e.log, fmt.Sprintf("online %d", in.GetSession().GetAuthKeyId()))
		e.nodes[Entry{UserID: in.GetUserId(), AuthKeyID: in.GetSession().GetAuthKeyId()}] = in.GetSession().GetGateway()
		out.(*mtproto.Bool).PredicateName = "boolTrue"
	case *statuspb.TLStatusSetSessionOffline:
		e.log = append(e.log, fmt.Sprintf("offline %d", in.GetAuthKeyId()))
		delete(e.nodes, Entry{UserID: in.GetUserId(), AuthKeyID: in.GetAuthKeyId()})
		out.(*mtproto.Bool).PredicateName = "boolTrue"
	case *statuspb.TLStatusGetUsersOnlineSessionsList:
		if e.dumb {
			return grpcstatus.Error(codes.Unimplemented, method)
		}
		e.log = append(e.log, fmt.Sprintf("asked for %d", len(in.GetUsers())))
		for _, user := range in.GetUsers() {
			list := &statuspb.UserSessionEntryList{UserId: user}
			for x, node := range e.nodes {
				if x.UserID == user {
					list.UserSessions = append(list.UserSessions, &statuspb.SessionEntry{UserId: user, AuthKeyId: x.AuthKeyID, Gateway: node})
				}
			}
			out.(*statuspb.Vector_UserSessionEntryList).Datas = append(out.(*statuspb.Vector_UserSessionEntryList).Datas, list)
		}
	}
	return nil
}

func (e *entries) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, grpcstatus.Error(codes.Unimplemented, "status has no streams")
}

// words returns what status has heard since the last time.
func (e *entries) words() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := e.log
	e.log = nil
	return log
}

func newStatus() (*Status, *entries, func() []sess.Announced) {
	e := &entries{nodes: map[Entry]string{}}
	s := NewStatus(e, here, time.Second, nil)
	var mu sync.Mutex
	var outcomes []sess.Announced
	s.Announced = func(_ int64, o *sess.Announced) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, *o)
	}
	return s, e, func() []sess.Announced {
		mu.Lock()
		defer mu.Unlock()
		all := outcomes
		outcomes = nil
		return all
	}
}

func online(user, key, at int64, confirm bool) *sess.SetOnline {
	return &sess.SetOnline{UserID: user, AuthKeyID: key, At: at, Confirm: confirm, Renews: !confirm, Expires: time.Now().Unix() + 60}
}

// What came of an announcement was thrown away.
func TestOutcomesOfAnnouncements(t *testing.T) {
	for name, c := range map[string]struct {
		confirm bool
		after   bool // an announcement that was refused
		before  func(*Status, *entries)
		want    []sess.Announced
	}{
		"taken, and worth a word":                       {confirm: true, want: []sess.Announced{{At: 7}}},
		"taken":                                         {before: func(_ *Status, e *entries) { e.nodes[Entry{UserID: 77, AuthKeyID: 5}] = here }},
		"taken, but the entry was gone":                 {want: []sess.Announced{{At: 7, Lost: true}}},
		"taken, but another node's":                     {before: func(_ *Status, e *entries) { e.nodes[Entry{UserID: 77, AuthKeyID: 5}] = "10.0.0.2:20120" }, want: []sess.Announced{{At: 7, Lost: true}}},
		"taken after a refusal":                         {confirm: true, after: true, before: func(_ *Status, e *entries) { e.nodes[Entry{UserID: 77, AuthKeyID: 5}] = here }, want: []sess.Announced{{At: 7}}},
		"taken after a refusal, but the entry was gone": {confirm: true, after: true, want: []sess.Announced{{At: 7, Lost: true}}},
		"refused":                         {confirm: true, before: func(_ *Status, e *entries) { e.err = grpcstatus.Error(codes.Unavailable, "down") }, want: []sess.Announced{{At: 7, Failed: true}}},
		"refused, and so is the question": {before: func(_ *Status, e *entries) { e.err = grpcstatus.Error(codes.Unavailable, "down") }, want: []sess.Announced{{At: 7, Failed: true}}},
		"of a key that has moved":         {confirm: true, before: func(s *Status, _ *entries) { s.Elsewhere = func(int64) bool { return true } }, want: []sess.Announced{{At: 7, Failed: true}}},
		"taken by a status that does not say who is online": {before: func(_ *Status, e *entries) { e.dumb = true }},
	} {
		t.Run(name, func(t *testing.T) {
			s, e, outcomes := newStatus()
			if c.before != nil {
				c.before(s, e)
			}
			r := online(77, 5, 7, c.confirm)
			r.Renews = r.Renews || c.after
			s.Notify(r)
			require.NoError(t, s.Wait(t.Context()))
			require.Equal(t, c.want, outcomes())
		})
	}
}

// Renewals are asked about together, and what else is told of a key overrules one
// that waits.
func TestRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, outcomes := newStatus()
		for key := range int64(250) {
			e.nodes[Entry{UserID: 1000 + key, AuthKeyID: key}] = here
		}
		for key := range int64(250) {
			s.Notify(online(1000+key, key, 1, false))
		}
		synctest.Wait()
		words := e.words()
		require.Equal(t, 2, len(words)-200, "two hundreds have been asked about and told")
		time.Sleep(renewalTime)
		require.NoError(t, s.Wait(t.Context()))
		require.Equal(t, "asked for 50", e.words()[0])
		require.Empty(t, outcomes())

		s.Notify(online(1005, 5, 2, false))
		s.Notify(&sess.SetOffline{UserID: 1005, AuthKeyID: 5})
		s.Notify(online(1006, 6, 2, false))
		s.Notify(online(1006, 6, 3, false))
		s.Notify(online(1007, 7, 2, false))
		s.Notify(online(1007, 7, 3, true))
		require.NoError(t, s.Wait(t.Context()))
		words = e.words()
		slices.Sort(words)
		require.Equal(t, []string{"asked for 3", "offline 5", "online 6", "online 7"}, words)
		require.Equal(t, []sess.Announced{{At: 3}}, outcomes())
	})
}

// A key that has come from another node is announced as one that status has under that
// node's name: pushes have come there, and were sent on. Under any other name, or
// none, they went astray.
func TestRenewalOfAKeyThatHasMoved(t *testing.T) {
	for name, c := range map[string]struct {
		entry string
		lost  bool
	}{
		"under the name of the node that had it": {entry: "10.0.0.2:20120"},
		"under this node's":                      {entry: here},
		"under a third one's":                    {entry: "10.0.0.3:20120", lost: true},
		"not at all":                             {lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e, outcomes := newStatus()
				e.nodes[Entry{UserID: 1005, AuthKeyID: 6}] = here
				if c.entry != "" {
					e.nodes[Entry{UserID: 1005, AuthKeyID: 5}] = c.entry
				}
				r := online(1005, 5, 7, true)
				r.Renews, r.Was = true, "10.0.0.2:20120"
				s.Notify(r)
				require.NoError(t, s.Wait(t.Context()))
				require.Equal(t, []sess.Announced{{At: 7, Lost: c.lost}}, outcomes())
			})
		})
	}
}

// Status is asked which entries lead here, a hundred users at a time, and those
// that do are withdrawn.
func TestMissingEntriesAndThoseOfANodeThatLeaves(t *testing.T) {
	s, e, _ := newStatus()
	var all, missing []Entry
	for i := range int64(150) {
		x := Entry{UserID: i / 2, AuthKeyID: i}
		all = append(all, x)
		switch i % 3 {
		case 0:
			e.nodes[x] = here
		case 1:
			e.nodes[x] = "10.0.0.2:20120"
			missing = append(missing, x)
		default:
			missing = append(missing, x)
		}
	}
	got, err := s.Missing(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, missing, got)
	require.Equal(t, []string{"asked for 50", "asked for 25"}, e.words(), "a user's keys in one question")

	s.Elsewhere = func(int64) bool { return true } // which is why they are withdrawn
	require.NoError(t, s.Withdraw(t.Context(), all))
	require.NoError(t, s.Wait(t.Context()))
	require.Len(t, e.nodes, 50, "those of the other node")
	require.NotContains(t, e.nodes, all[0])

	e.err = grpcstatus.Error(codes.Unavailable, "down")
	_, err = s.Missing(t.Context(), all)
	require.Error(t, err)
	e.err, e.dumb = nil, true
	got, err = s.Missing(t.Context(), all)
	require.NoError(t, err)
	require.Empty(t, got, "it cannot be known")
	e.words()
	e.dumb = false
	_, _ = s.Missing(t.Context(), all)
	require.Empty(t, e.words(), "and is not asked for again")
}
