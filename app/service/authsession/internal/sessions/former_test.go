package sessions_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

// formerly is a connection to a server that says of itself that it only reads.
type formerly struct {
	net.Conn
	now *atomic.Bool
}

func (c formerly) Write(b []byte) (int, error) {
	if asked := []byte("@@GLOBAL.read_only"); c.now.Load() {
		b = bytes.ReplaceAll(b, asked, append([]byte("1"), bytes.Repeat([]byte(" "), len(asked)-1)...))
	}
	return c.Conn.Write(b)
}

// A node that is led to the former primary found none of the logins that were made on the new
// one since: whatever was to end them succeeded, and they lived on.
func TestAFormerPrimaryEndsNothing(t *testing.T) {
	w := newWorld(t, nil)
	key, hash := w.signIn(777, "phone")
	var former atomic.Bool
	conf := w.conf
	c, err := mysql.ParseDSN(testenv.DSN(t, true)) // it has nothing of what was written since
	require.NoError(t, err)
	network := c.Net
	mysql.RegisterDialContext("former", func(ctx context.Context, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return formerly{c, &former}, err
	})
	t.Cleanup(func() { mysql.DeregisterDialContext("former") })
	c.Net = "former"
	conf.Mysql.DSN = c.FormatDSN()
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
