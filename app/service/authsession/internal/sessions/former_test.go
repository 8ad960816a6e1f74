package sessions_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

// A node that is led to the former primary found none of the logins that were made on the new
// one since: whatever was to end them succeeded, and they lived on.
func TestAFormerPrimaryEndsNothing(t *testing.T) {
	w := newWorld(t, nil)
	key, hash := w.signIn(777, "phone")
	conf := w.conf
	dsn, former := testenv.FormerPrimary(t, testenv.DSN(t, true)) // it has nothing of what was written since
	conf.Mysql.DSN = dsn
	db, err := dao.OpenMysql(t.Context(), svc.Pool(conf.Mysql), false)
	require.NoError(t, err)
	node, err := svc.New(t.Context(), conf, db, w.clock.Now)
	require.NoError(t, err)
	t.Cleanup(func() { node.Close() })
	former.Store(true)
	m, d, ctx := node.Manager, node.Dao, t.Context()
	here := core.New(ctx, node)
	copies, err := w.redis.Keys(ctx, fmt.Sprintf("*%d*", key)).Result() // as after an hour
	require.NoError(t, err)
	require.NotEmpty(t, copies)
	require.NoError(t, w.redis.Del(ctx, copies...).Err())
	for name, write := range map[string]func() error{
		"all sessions of a user": func() error {
			_, err := m.Revoke(ctx, sessions.Selection{UserID: 777}, byAdmin)
			return err
		},
		"a session": func() error {
			_, err := m.Revoke(ctx, sessions.Selection{Hash: hash}, byAdmin)
			return err
		},
		"sessions that match": func() error {
			_, err := m.RevokeMatching(ctx, sessions.Bulk{UserIDs: []int64{777}}, 10, false, "", byAdmin)
			return err
		},
		"a key": func() error {
			_, err := m.Destroy(ctx, key, 0)
			return err
		},
		"a key that is looked up here no more": func() error {
			_, err := d.DestroyKey(ctx, key)
			return err
		},
		"temp keys": func() error {
			_, err := d.DropTempKeys(ctx, key, nil)
			return err
		},
		"a sign-in": func() error {
			_, err := d.SignIn(ctx, key, 778, 1)
			return err
		},
		"a second factor": func() error {
			_, err := d.SetPending(ctx, key, logins.Pending{Owner: 1, UserID: 777})
			return err
		},
		"settings": func() error {
			return d.ChangeLogin(ctx, 777, hash, dao.LoginSettings{Confirmed: true})
		},
		"a key that is asked for": func() error {
			_, err := here.AuthsessionQueryAuthKey(&pb.TLAuthsessionQueryAuthKey{AuthKeyId: key})
			return err
		},
		"a login that is asked for": func() error {
			_, err := here.AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: key})
			return err
		},
		"a sign-in that a BFF asks for": func() error {
			_, err := here.AuthsessionBindAuthKeyUser(&pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: key, UserId: 778})
			return err
		},
		"a logout": func() error {
			_, err := here.AuthsessionUnbindAuthKeyUser(&pb.TLAuthsessionUnbindAuthKeyUser{AuthKeyId: key, UserId: 777})
			return err
		},
		"a session that is looked for": func() error {
			_, err := m.Get(ctx, hash)
			return err
		},
		"the last session of a user": func() error {
			_, err := m.FindLast(ctx, sessions.Filter{UserID: 777})
			return err
		},
		"whether a user has a session": func() error {
			_, err := m.ExistsOf(ctx, sessions.Filter{UserID: 777})
			return err
		},
		"the settings of a user": func() error {
			_, err := m.Policy(ctx, 777)
			return err
		},
		"an erasure": func() error {
			_, err := m.Erase(ctx, 777, byAdmin)
			return err
		},
	} {
		err := write()
		require.Error(t, err, name)
		// Handlers say no more than that there is a fault.
		require.Regexp(t, `only reads|^INTERNAL_SERVER_ERROR$`, err.Error(), "%s: no other fault", name)
	}
	list, _, err := m.List(ctx, sessions.Filter{UserID: 777}, sessions.Page{})
	require.NoError(t, err, "reads go on")
	require.Empty(t, list)
	w.loggedIn(key, 777)
}
