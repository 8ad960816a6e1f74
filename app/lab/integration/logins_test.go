package integration

import (
	"os"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/authsession"
)

// withAuthsession is a cluster whose authsession has more lines.
func withAuthsession(t *testing.T, more string) *cluster {
	t.Helper()
	require.Nil(t, shared.cluster, "one cluster at a time: a test whose parts share one has to be parallel itself")
	c := &cluster{stores: startServers(t), t: t}
	c.gateway = c.playGateway(t, true)
	c.status = c.playStatus(t)
	c.bffs = c.playBFF(t)
	c.bff = c.bffs.role()
	c.authsession = c.startAuthsession(t, "etc-authsession.yaml", more)
	c.session = c.startSession(t, "etc-session.yaml", "")
	c.conn = dial(t, c.session.addr)
	c.auth = authsession.NewRPCAuthsessionClient(dial(t, c.authsession.addr))
	return c
}

// manager are authsession's calls for logins.
func (c *cluster) manager() authsession.RPCSessionManagerClient {
	return authsession.NewRPCSessionManagerClient(dial(c.t, c.authsession.addr))
}

// loginOf is the hash of the login on a client's key.
func (c *cluster) loginOf(cl *client, user int64) int64 {
	c.t.Helper()
	res, err := c.auth.AuthsessionBindAuthKeyUser(c.t.Context(), &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: cl.key.perm, UserId: user})
	require.NoError(c.t, err)
	return res.V
}

// newAuthorization awaits the news of a login, as a client of the newest layer reads it.
func (c *client) newAuthorization() *tg.UpdateNewAuthorization {
	c.t.Helper()
	m := c.awaitConstructor(tg.UpdateShortTypeID)
	var short tg.UpdateShort
	require.NoError(c.t, short.Decode(&bin.Buffer{Buf: m.body}))
	require.InDelta(c.t, time.Now().Unix(), short.Date, 60)
	update, ok := short.Update.(*tg.UpdateNewAuthorization)
	require.True(c.t, ok, "%T", short.Update)
	return update
}

// A user signs in on a second device: the first one is asked whether it was them,
// and hears when they have said so. The new device hears nothing of itself.
func TestALoginIsAnnouncedToTheOtherDevice(t *testing.T) {
	c := withAuthsession(t, "Sessions:\n  ConfirmWithin: 168h\n  AnnounceLogins: true\n")
	user := newUserID()
	first, second := c.newUser(user), c.newClient()
	c.answer(nearestDC, anywhereDC)
	second.result(second.call(initialised(t, getDC)))
	hash := c.loginOf(second, user)

	news := first.newAuthorization()
	require.Equal(t, hash, news.Hash)
	require.True(t, news.Unconfirmed)
	require.InDelta(t, time.Now().Unix(), news.Date, 60)
	require.Contains(t, news.Device, "Pixel 9")

	_, err := c.manager().ChangeSession(t.Context(), &authsession.ChangeSessionRequest{UserId: user, Hash: hash, Confirmed: true})
	require.NoError(t, err)
	require.Equal(t, &tg.UpdateNewAuthorization{Hash: hash}, first.newAuthorization())
	require.Zero(t, count(second.until(), tg.UpdateShortTypeID))
}

// A login ends, and its session node is not told: authsession does not reach it. The
// device goes on calling; with the signs of life of its logins its node hears which of
// them have ended, and signs it out.
func TestALoginThatEndedUnheardIsFoundByItsSignsOfLife(t *testing.T) {
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("it waits for a minute: make test-integration runs it")
	}
	c := withAuthsession(t, "Session:\n  Endpoints: [\"127.0.0.1:1\"]\n")
	user := newUserID()
	here, other := c.newUser(user), c.newUser(user)
	c.answer(getUsers, &tg.UserClassVector{Elems: []tg.UserClass{&tg.UserEmpty{ID: 1}}})
	here.result(here.call(getSelf))
	reply, err := c.manager().RevokeSessions(t.Context(), &authsession.RevokeSessionsRequest{UserId: user, ExceptAuthKeyId: other.key.perm})
	require.NoError(t, err)
	require.Len(t, reply.GetRevoked(), 1)
	require.Equal(t, here.key.perm, reply.GetRevoked()[0].GetAuthKeyId())
	var e mt.RPCError
	eventuallyIn(t, 3*time.Minute, "the login has ended", func() bool {
		e = mt.RPCError{}
		return decode(inflate(t, here.answer(here.call(getSelf)).body[12:]), &e) == nil
	})
	require.Equal(t, "AUTH_KEY_UNREGISTERED", e.ErrorMessage)
	other.result(other.call(getSelf))
}
