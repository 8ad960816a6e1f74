package core

import (
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
	"github.com/tgsession/tgsession/proto/authsession"
)

// What a BFF may ask of the session manager.
func TestSessionCalls(t *testing.T) {
	c := start(t)
	phone, tablet, stranger := c.device(), c.device(), c.device()
	temp := c.key(dao.Temporary, 86400)
	c.bind(tablet, temp)
	phoneHash := c.login(phone, 777)
	c.clock.Advance(time.Minute)
	tabletHash := c.login(tablet, 777)
	strangerHash := c.login(stranger, 888)
	list := func(in *authsession.ListSessionsRequest) (hashes []int64) {
		t.Helper()
		out, err := c.on(1).ListSessions(in)
		require.NoError(t, err)
		for _, s := range out.Sessions {
			require.Equal(t, in.UserId, s.UserId)
			hashes = append(hashes, s.Hash)
		}
		return hashes
	}
	require.Equal(t, []int64{tabletHash, phoneHash}, list(&authsession.ListSessionsRequest{UserId: 777}))
	first, err := c.on(0).ListSessions(&authsession.ListSessionsRequest{UserId: 777, PageSize: 1})
	require.NoError(t, err)
	require.Equal(t, []int64{phoneHash}, list(&authsession.ListSessionsRequest{UserId: 777, PageSize: 1, PageToken: first.NextPageToken}))

	// A type that there is not is no type with no sessions.
	_, err = c.on(0).ListSessions(&authsession.ListSessionsRequest{UserId: 777, DeviceType: "androd"})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")
	_, err = c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, DeviceType: "androd"})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")

	for _, in := range []*authsession.GetSessionRequest{{Hash: tabletHash}, {AuthKeyId: tablet.IntID()}, {AuthKeyId: temp.IntID()}} {
		s, err := c.on(1).GetSession(in)
		require.NoError(t, err)
		require.Equal(t, []any{tabletHash, int64(777), "android", "Pixel", "Telegram Android", "10.1.2.3", c.clock.Now().Unix(), int64(0), ""},
			[]any{s.Hash, s.UserId, s.DeviceType, s.DeviceModel, s.AppName, s.Ip, s.SignedIn, s.RevokedAt, s.RevokeReason})
	}
	_, err = c.on(0).GetSession(&authsession.GetSessionRequest{Hash: salts.Random()})
	refused(t, err, 404, "SESSION_NOT_FOUND")

	last, err := c.on(1).FindLastSession(&authsession.FindLastSessionRequest{UserId: 777, DeviceType: "android", Active: new(true)})
	require.NoError(t, err)
	require.Equal(t, tabletHash, last.Hash)
	_, err = c.on(0).FindLastSession(&authsession.FindLastSessionRequest{UserId: 777, DeviceType: "ios"})
	refused(t, err, 404, "SESSION_NOT_FOUND")
	for _, in := range []*authsession.FindLastSessionRequest{{}, {UserId: 777, DeviceType: "androd"}} {
		_, err = c.on(0).FindLastSession(in)
		refused(t, err, 400, "INPUT_REQUEST_INVALID")
	}
	for in, want := range map[*authsession.SessionExistsRequest]bool{
		{Hash: phoneHash}:                    true,
		{Hash: phoneHash, UserId: 777}:       true,
		{Hash: phoneHash, UserId: 888}:       false,
		{UserId: 777, DeviceType: "android"}: true,
		{UserId: 777, ApiId: 5}:              false,
		{UserId: 99}:                         false,
	} {
		out, err := c.on(1).SessionExists(in)
		require.NoError(t, err)
		require.Equal(t, want, out.Exists, "%v", in)
	}
	for _, in := range []*authsession.SessionExistsRequest{{}, {Hash: phoneHash, DeviceType: "android"}, {UserId: 777, DeviceType: "androd"}} {
		_, err = c.on(0).SessionExists(in)
		refused(t, err, 400, "INPUT_REQUEST_INVALID")
	}

	_, err = c.on(0).ChangeSession(&authsession.ChangeSessionRequest{UserId: 777, Hash: tabletHash, CallRequestsDisabled: new(true)})
	require.NoError(t, err)
	devices, err := c.on(1).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: phone.IntID()})
	require.NoError(t, err)
	require.True(t, devices.Authorizations[1].CallRequestsDisabled)
	_, err = c.on(0).ChangeSession(&authsession.ChangeSessionRequest{UserId: 888, Hash: tabletHash, Confirmed: true})
	refused(t, err, 400, "HASH_INVALID")

	_, err = c.on(0).SetAuthorizationTTL(&authsession.SetAuthorizationTTLRequest{UserId: 777, Days: 7})
	require.NoError(t, err)
	s, err := c.on(1).GetSession(&authsession.GetSessionRequest{Hash: phoneHash})
	require.NoError(t, err)
	require.EqualValues(t, 7*86400, s.ExpiresAt-s.LastActive)
	_, err = c.on(0).SetAuthorizationTTL(&authsession.SetAuthorizationTTLRequest{UserId: 777, Days: 3651})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")

	_, err = c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, Hash: strangerHash})
	refused(t, err, 400, "HASH_INVALID")
	out, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, ExceptAuthKeyId: phone.IntID()})
	require.NoError(t, err)
	require.Len(t, out.Revoked, 1)
	require.Equal(t, []any{tabletHash, tablet.IntID(), []int64{temp.IntID()}},
		[]any{out.Revoked[0].Hash, out.Revoked[0].AuthKeyId, out.Revoked[0].TempAuthKeyIds})
	out, err = c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, Hash: tabletHash})
	require.NoError(t, err, "it has ended already")
	require.Empty(t, out.Revoked)
	require.Equal(t, []int64{tabletHash}, list(&authsession.ListSessionsRequest{UserId: 777, Active: new(false)}))
	s, err = c.on(0).GetSession(&authsession.GetSessionRequest{Hash: tabletHash})
	require.NoError(t, err)
	require.Equal(t, []any{c.clock.Now().Unix(), "by-user", "user:777"}, []any{s.RevokedAt, s.RevokeReason, s.RevokedBy})
}

// Stock asks for the key of every row, to name temp keys, and forgets them.
func TestWeakness67RevocationTakesFewStatements(t *testing.T) {
	c := startMini(t)
	dsn, err := mysql.ParseDSN(c.dsn)
	require.NoError(t, err)
	network := tcpproxy.Start(t, dsn.Addr)
	dsn.Addr = network.Addr()
	c.dsn = dsn.FormatDSN()
	c.nodes[0] = c.node(c.mini.Addr())
	const n = 300
	for i := int64(1); i <= n; i++ {
		c.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, 777, ?, 1, 1)", i, i)
		c.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, 0, ?), (?, 1, ?)", i, i, n+i, i)
	}
	before := network.Requests()
	out, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777})
	require.NoError(t, err)
	require.Less(t, network.Requests()-before, int64(60))
	require.Len(t, out.Revoked, n)
	for _, r := range out.Revoked {
		require.Equal(t, []int64{r.AuthKeyId + n}, r.TempAuthKeyIds)
	}
}

// A replica may lag behind, or be out of reach: nothing is read from it.
func TestWeakness62ReplicasAreNotRead(t *testing.T) {
	c := startMini(t)
	c.replicas = []string{"nobody:@tcp(127.0.0.1:1)/none"}
	c.nodes[1] = c.node(c.mini.Addr())
	k := c.device()
	c.login(k, 777)
	state, user := c.state(1, k)
	require.Equal(t, []int64{6, 777}, []int64{int64(state), user})
}
