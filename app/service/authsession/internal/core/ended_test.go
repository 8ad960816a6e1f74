package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
)

// Whatever has brought the copy of an ended login back: ending it again removes
// it, and the session node looks again.
func TestEndingALoginAgainHeals(t *testing.T) {
	sessions := testenv.NewSessionNode(t)
	c := startTelling(t, sessions.Address)
	for name, end := range map[string]func(key, hash int64) error{
		"resetAuthorization by hash": func(_, hash int64) error {
			_, err := c.on(0).AuthsessionResetAuthorization(reset(777, 0, hash))
			return err
		},
		"resetAuthorization of all": func(int64, int64) error {
			_, err := c.on(0).AuthsessionResetAuthorization(reset(777, 0, 0))
			return err
		},
		"unbindAuthKeyUser of all": func(int64, int64) error {
			_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(0, 777))
			return err
		},
		"revokeSessions by hash": func(_, hash int64) error {
			_, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, Hash: hash})
			return err
		},
		"revokeSessions of all": func(int64, int64) error {
			_, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777})
			return err
		},
		"destroyAuthKey": func(key, _ int64) error {
			_, err := c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: key})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := c.device()
			hash := c.login(k, 777)
			state, _ := c.state(1, k)
			require.EqualValues(t, 6, state)
			copies := map[string]string{}
			for _, cached := range []string{"auth_data.2#%d", "auth_keys2_%d"} {
				cached = fmt.Sprintf(cached, k.IntID())
				text, err := c.mini.Get(cached)
				require.NoError(t, err)
				copies[cached] = text
			}
			require.NoError(t, end(k.IntID(), hash))
			for cached, text := range copies {
				require.NoError(t, c.mini.Set(cached, text))
			}
			sessions.Told()
			_ = end(k.IntID(), hash) // HASH_INVALID, from some
			l, err := c.nodes[1].Dao.Login(t.Context(), k.IntID())
			require.NoError(t, err)
			require.Nil(t, l.BindUser)
			told := sessions.Told()
			require.NotEmpty(t, told)
			for _, e := range told {
				require.True(t, e.Replaced, "to look, not to believe")
			}
			if name == "destroyAuthKey" {
				_, err := c.on(1).AuthsessionQueryAuthKey(query(k.IntID()))
				refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
			}
		})
	}
}

// Redis comes back from a dump of before.
func TestADumpOfRedisBringsNobodyBack(t *testing.T) {
	redis := testenv.StartRedis(t)
	c := startOn(t, redis.Address)
	revoked, destroyed, stays := c.device(), c.device(), c.device()
	hash := c.login(revoked, 777)
	c.login(destroyed, 778)
	c.login(stays, 779)
	for i := range 2 {
		for _, k := range []int64{revoked.IntID(), destroyed.IntID(), stays.IntID()} {
			_, err := c.on(i).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k})
			require.NoError(t, err)
		}
	}
	redis.Do("SAVE")
	_, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: 777, Hash: hash})
	require.NoError(t, err)
	_, err = c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: destroyed.IntID()})
	require.NoError(t, err)
	redis.Kill()
	redis.Start()
	require.EqualValues(t, 1, redis.Do("EXISTS", fmt.Sprintf("auth_data.2#%d", revoked.IntID())), "the dump has it")
	for i, n := range c.nodes {
		// Whether Redis is asked yet or still left alone.
		for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
			l, err := n.Dao.Login(t.Context(), revoked.IntID())
			require.NoError(t, err)
			require.Nil(t, l.BindUser)
			_, err = c.on(i).AuthsessionQueryAuthKey(query(destroyed.IntID()))
			refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
		}
		state, user := c.state(i, stays)
		require.Equal(t, []int64{6, 779}, []int64{int64(state), user})
	}
}
