package core

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
)

func TestTouchSessions(t *testing.T) {
	c := start(t)
	a, b, revoked := c.device(), c.device(), c.device()
	c.login(a, 777)
	c.login(b, 777)
	c.login(revoked, 777)
	_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(revoked.IntID(), 777))
	require.NoError(t, err)
	for i := range 2 {
		c.state(i, a) // cached, with the old address
	}
	now := c.clock.Now().Unix()
	c.clock.Advance(time.Hour)
	out, err := c.on(0).TouchSessions(&authsession.TouchSessionsRequest{Touches: []*authsession.SessionTouch{
		{AuthKeyId: a.IntID(), DateActive: now + 100, Ip: "2001:db8::5"},
		{AuthKeyId: a.IntID(), DateActive: now + 50},
		{AuthKeyId: b.IntID(), DateActive: now - 1000},
		{AuthKeyId: revoked.IntID(), DateActive: now + 100, Ip: "1.2.3.4"},
		{AuthKeyId: 5, DateActive: now + 100},
	}})
	require.NoError(t, err)
	require.ElementsMatch(t, []int64{revoked.IntID(), 5}, out.RevokedAuthKeyIds)
	out, err = c.on(0).TouchSessions(&authsession.TouchSessionsRequest{Touches: []*authsession.SessionTouch{{AuthKeyId: revoked.IntID(), DateActive: now + 100}}})
	require.NoError(t, err)
	require.Empty(t, out.RevokedAuthKeyIds, "said a minute at most")
	for _, n := range c.nodes {
		n.Touch.Flush(t.Context())
	}
	active := func(k crypto.AuthKey) int64 {
		return c.number("SELECT date_active FROM auth_users WHERE auth_key_id = ?", k.IntID())
	}
	require.Equal(t, now+100, active(a))
	require.Equal(t, now, active(b), "never back")
	require.Equal(t, now, active(revoked))
	for i := range 2 {
		s, err := c.on(i).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: a.IntID()})
		require.NoError(t, err)
		require.Equal(t, "2001:db8::5", s.Client.Ip)
	}
	out, err = c.on(0).TouchSessions(&authsession.TouchSessionsRequest{Touches: make([]*authsession.SessionTouch, 1000)})
	require.NoError(t, err)
	require.Empty(t, out.RevokedAuthKeyIds)
	_, err = c.on(0).TouchSessions(&authsession.TouchSessionsRequest{Touches: make([]*authsession.SessionTouch, 1001)})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")
}

// errorLines counts what is logged as an error.
type errorLines struct {
	logx.Logger
	n atomic.Int64
}

func (l *errorLines) Errorf(string, ...any) { l.n.Add(1) }

// A node that is led to the former primary of MySQL says nothing of keys that it does not find
// there. It said nothing of those either that came after one, whose ends the cache tells of.
func TestTouchSessionsOnAFormerPrimary(t *testing.T) {
	c := start(t)
	revoked := c.device()
	c.login(revoked, 777)
	_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(revoked.IntID(), 777))
	require.NoError(t, err)
	c.state(0, revoked) // cached
	dsn, former := testenv.FormerPrimary(t, c.dsn)
	c.dsn = dsn
	here := New(t.Context(), c.node(testenv.Variable(t, "TEST_REDIS_ADDR")))
	former.Store(true)
	log := &errorLines{Logger: here.Logger}
	here.Logger = log
	in := &authsession.TouchSessionsRequest{}
	for range 2*checkParallel - 1 {
		in.Touches = append(in.Touches, &authsession.SessionTouch{AuthKeyId: randomKey(t).IntID(), DateActive: c.clock.Now().Unix()})
	}
	in.Touches = append(in.Touches, &authsession.SessionTouch{AuthKeyId: revoked.IntID(), DateActive: c.clock.Now().Unix()})
	out, err := here.TouchSessions(in)
	require.NoError(t, err)
	require.Equal(t, []int64{revoked.IntID()}, out.RevokedAuthKeyIds)
	require.EqualValues(t, 1, log.n.Load(), "one line for all")
}
