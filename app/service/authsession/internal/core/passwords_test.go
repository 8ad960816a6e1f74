package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// mark is setPasswordPending as session makes it for one of its calls; owner 0
// is a session that names none.
func (c *cluster) mark(k crypto.AuthKey, owner, user int64, pending bool) *authsession.SetPasswordPendingReply {
	c.t.Helper()
	out, err := c.on(1).SetPasswordPending(&authsession.SetPasswordPendingRequest{
		AuthKeyId: k.IntID(), Owner: owner, UserId: user, Pending: pending,
	})
	require.NoError(c.t, err)
	return out
}

// is holds the state of a key on both nodes against what is wanted: "6 777" is
// a login of 777, "5 777" one that owes its password, "4 0" none.
func (c *cluster) is(k crypto.AuthKey, want, step string) {
	c.t.Helper()
	for i := range c.nodes {
		state, user := c.state(i, k)
		require.Equal(c.t, want, fmt.Sprintf("%d %d", state, user), "%s, node %d", step, i)
		check, err := c.on(i).CheckSession(&authsession.CheckSessionRequest{AuthKeyId: k.IntID()})
		require.NoError(c.t, err)
		require.Equal(c.t, state == 6, check.Valid, step)
		require.Equal(c.t, state == 5, check.PasswordPending, step)
		id, err := c.on(i).AuthsessionGetUserId(&authsession.TLAuthsessionGetUserId{AuthKeyId: k.IntID()})
		require.NoError(c.t, err)
		require.Equal(c.t, state == 6, id.V != 0, step)
	}
}

// A mark is one call's of one login. The steps are what session and BFFs do on
// one key; after each stands what the key is then.
func TestAMarkBelongsToOneLogin(t *testing.T) {
	for name, steps := range map[string]string{
		// Other reads of the key see the mark of a call under way: it is no
		// owed password yet, and a new account has none at all.
		"a new account":             "begin a: 4 0; done a: 4 0; begin b: 4 0; bind 777: 5 777; complete b 777: 6 777",
		"the code is asked in vain": "begin a: 4 0; wait 1: 4 0; bind 777: 5 777; done a: 6 777",
		"a sign-up after a call that nobody knows the end of":        "begin a: 4 0; begin b: 4 0; bind 777: 5 777; complete b 777: 6 777",
		"a login long after a call that nobody knows the end of":     "begin a: 4 0; wait 601: 4 0; bind 777: 6 777",
		"another call on a key with a login":                         "bind 777: 6 777; begin a: 6 777; done a: 6 777",
		"another call on a key with a login, and nobody hears of it": "bind 777: 6 777; begin a: 6 777; wait 3600: 6 777",

		// A node that dies between the BFF's bind and its answer.
		"a crash before the answer":                               "begin a: 4 0; bind 777: 5 777; wait 100000: 5 777",
		"a crash, then the password is checked":                   "begin a: 4 0; bind 777: 5 777; begin b: 5 777; complete b 777: 6 777",
		"a crash, then another sign-in without a password":        "begin a: 4 0; bind 777: 5 777; begin b: 5 777; bind 777: 5 777; complete b 777: 6 777",
		"a crash of a sign-in on a key that is logged in already": "bind 777: 6 777; begin a: 6 777; bind 777: 5 777",

		"the second factor":                             "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; begin b: 5 777; complete b 777: 6 777",
		"a wrong password":                              "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; begin b: 5 777; done b: 5 777",
		"another code is asked for while one is owed":   "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; begin b: 5 777; done b: 5 777; begin c: 5 777; complete c 777: 6 777",
		"another user signs in while one is owed":       "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; begin b: 5 777; bind 778: 5 778; complete b 778: 6 778",
		"another user signs in, and owes one, too":      "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; begin b: 5 777; bind 778: 5 778; owes b 778: 5 778; complete b 777: 5 778",
		"the answer comes before the bind":              "begin a: 4 0; owes a 777: 4 0; bind 777: 5 777",
		"the answer comes before the bind that it owes": "owes a 777: 4 0; bind 777: 5 777",

		// The end of a login is the end of what it owes.
		"the login is ended":                                   "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; end: 4 0; begin b: 4 0; complete b 777: 4 0",
		"the login is ended before its answer":                 "begin a: 4 0; bind 777: 5 777; end: 4 0; owes a 777: 4 0; begin b: 4 0; complete b 777: 4 0",
		"the login is ended and begins anew":                   "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; end: 4 0; begin b: 4 0; bind 777: 5 777; complete b 777: 6 777",
		"the login is ended, and nobody is asked for one then": "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; end: 4 0; bind 777: 6 777",
		"a stock node ends the login":                          "begin a: 4 0; bind 777: 5 777; owes a 777: 5 777; stock end: 4 0; bind 777: 6 777",
		"the login ends while another call is under way":       "bind 777: 6 777; begin a: 6 777; end: 4 0; bind 777: 5 777; complete a 777: 6 777",

		// Who clears late clears its own.
		"a late refusal":         "begin a: 4 0; begin b: 4 0; bind 777: 5 777; owes b 777: 5 777; done a: 5 777",
		"a late completion":      "begin a: 4 0; bind 777: 5 777; end: 4 0; begin b: 4 0; bind 777: 5 777; complete a 777: 5 777; complete b 777: 6 777",
		"a completion, repeated": "begin a: 4 0; bind 777: 5 777; complete a 777: 6 777; begin b: 6 777; bind 777: 5 777; complete a 777: 5 777",

		// A session that names no call, as before there were names.
		"without names: a new account":         "begin -: 4 0; done -: 4 0; bind 777: 6 777",
		"without names: a crash":               "begin -: 4 0; bind 777: 5 777; wait 100000: 5 777",
		"without names: the second factor":     "begin -: 4 0; bind 777: 5 777; owes - 777: 5 777; begin -: 5 777; owes - 777: 5 777; done -: 6 777",
		"without names: the login is ended":    "begin -: 4 0; bind 777: 5 777; owes - 777: 5 777; end: 4 0; done -: 4 0",
		"an older node took the first request": "begin -: 4 0; bind 777: 5 777; complete a 777: 6 777",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			k := c.device()
			for _, step := range strings.Split(steps, "; ") {
				what, want, _ := strings.Cut(step, ": ")
				c.passwordStep(k, what, want)
				c.is(k, want, step)
			}
		})
	}
}

// passwordStep makes one step of TestAMarkBelongsToOneLogin; what setPasswordPending
// replies is what the key is then.
func (c *cluster) passwordStep(k crypto.AuthKey, what, want string) {
	c.t.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	owner, user := int64(0), int64(0)
	if verb == "begin" || verb == "owes" || verb == "complete" || verb == "done" {
		var name string
		name, rest, _ = strings.Cut(rest, " ")
		if name != "-" {
			owner = -int64(name[0])
		}
	}
	_, _ = fmt.Sscan(rest, &user)
	switch verb {
	case "bind":
		c.login(k, user)
	case "end":
		_, err := c.nodes[0].Manager.Revoke(c.t.Context(), sessions.Selection{UserID: 777}, sessions.By{Reason: logins.ByAdmin})
		require.NoError(c.t, err)
	case "stock": // it does not clear the cache of who owes what: it knows of none
		c.exec("UPDATE auth_users SET deleted = 1, date_created = 0, date_active = 0 WHERE auth_key_id = ?", k.IntID())
		_, err := c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: k.IntID(), Layer: 222})
		require.NoError(c.t, err)
	case "wait":
		c.clock.Advance(time.Duration(user) * time.Second)
	default:
		out := c.mark(k, owner, user, verb == "begin" || verb == "owes")
		require.Equal(c.t, want, fmt.Sprintf("%d %d", out.KeyState, out.UserId), what)
	}
}

// However a login ends, nothing is left of what it owed: it cannot be completed,
// and the next one on the key starts without it.
func TestEveryEndOfALoginEndsItsMark(t *testing.T) {
	const user = 777
	for name, end := range map[string]func(*cluster, crypto.AuthKey){
		"logged out": func(c *cluster, k crypto.AuthKey) {
			_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(k.IntID(), user))
			require.NoError(c.t, err)
		},
		"account deleted": func(c *cluster, _ crypto.AuthKey) {
			_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(0, user))
			require.NoError(c.t, err)
		},
		"ended by another device": func(c *cluster, k crypto.AuthKey) {
			hash := c.number("SELECT hash FROM auth_users WHERE auth_key_id = ?", k.IntID())
			_, err := c.on(0).AuthsessionResetAuthorization(reset(user, 0, hash))
			require.NoError(c.t, err)
		},
		"all ended": func(c *cluster, _ crypto.AuthKey) {
			_, err := c.on(0).AuthsessionResetAuthorization(reset(user, 0, 0))
			require.NoError(c.t, err)
		},
		"revoked": func(c *cluster, _ crypto.AuthKey) {
			_, err := c.on(0).RevokeSessions(&authsession.RevokeSessionsRequest{UserId: user})
			require.NoError(c.t, err)
		},
		"by policy": func(c *cluster, _ crypto.AuthKey) {
			require.NoError(c.t, c.nodes[0].Manager.SetPolicy(c.t.Context(), user, logins.Policy{Strategy: logins.OneLogin}))
			c.login(c.device(), user)
		},
		"another user on its key": func(c *cluster, k crypto.AuthKey) {
			c.login(k, user+1)
			_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(k.IntID(), user+1))
			require.NoError(c.t, err)
		},
		"expired": func(c *cluster, k crypto.AuthKey) {
			require.NoError(c.t, c.nodes[0].Manager.SetTTL(c.t.Context(), user, 1))
			c.clock.Advance(25 * time.Hour)
			c.is(k, "4 0", "expired")
		},
		"cleaned up": func(c *cluster, _ crypto.AuthKey) {
			c.clock.Advance(1000 * time.Hour)
			ended, _, err := c.nodes[0].Manager.Idle(10*time.Hour).Revoke(c.t.Context(), 10, sessions.By{Actor: "cleanup"})
			require.NoError(c.t, err)
			require.Len(c.t, ended, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			k := c.device()
			c.mark(k, 1, 0, true)
			c.login(k, user)
			c.mark(k, 1, user, true)
			c.is(k, "5 777", "the password is owed")
			end(c, k)
			require.Zero(t, c.number("SELECT COUNT(*) FROM auth_password_pendings WHERE auth_key_id = ?", k.IntID()))
			c.is(k, "4 0", "ended")
			c.login(k, user)
			c.is(k, "6 777", "a login that no call asks a password for")
		})
	}
}

// A client chooses how many calls of its key end in faults, each of which may
// leave a mark.
func TestMarksOfAKeyAreBounded(t *testing.T) {
	c := start(t)
	k := c.device()
	count := func() int64 {
		return c.number("SELECT COUNT(*) FROM auth_password_pendings WHERE auth_key_id = ?", k.IntID())
	}
	for round := range int64(3) {
		for i := range int64(40) {
			c.mark(k, 1000*round+i+1, 0, true)
		}
		c.login(k, 777)
		c.is(k, "5 777", "the password is owed, however many calls there were")
	}
	require.LessOrEqual(t, count(), int64(32))
	c.mark(k, 9999, 0, true)
	c.mark(k, 9999, 777, false)
	c.is(k, "6 777", "complete")
	require.Zero(t, count())
}

// The list of devices says which login owes its password, once.
func TestTheListOfDevicesSaysWhoOwesAPassword(t *testing.T) {
	c := start(t)
	own, k := c.device(), c.device()
	c.login(own, 777)
	c.mark(k, 1, 0, true)
	c.mark(k, 2, 0, true)
	c.login(k, 777)
	list, err := c.on(0).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: own.IntID()})
	require.NoError(t, err)
	require.Len(t, list.Authorizations, 2)
	require.False(t, list.Authorizations[0].PasswordPending)
	require.True(t, list.Authorizations[1].PasswordPending)
}

// Logins of one user begin, owe and end side by side on both nodes, with every
// kind of statement that touches marks: nothing deadlocks for good, and what is
// left is as the last of each said.
func TestMarksUnderConcurrency(t *testing.T) {
	c := start(t)
	keys := make([]crypto.AuthKey, 8)
	for i := range keys {
		keys[i] = c.device()
	}
	done := make(chan error)
	for i, k := range keys {
		go func() {
			owner := int64(i + 1)
			run := func() error {
				for range 10 {
					core := New(background(), c.nodes[i%2])
					for _, in := range []*authsession.SetPasswordPendingRequest{{Pending: true}, nil, {Pending: true, UserId: 777}, {UserId: 777}} {
						if in == nil {
							if _, err := core.AuthsessionBindAuthKeyUser(&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID(), UserId: 777}); err != nil {
								return err
							}
							continue
						}
						in.AuthKeyId, in.Owner = k.IntID(), owner
						if _, err := core.SetPasswordPending(in); err != nil {
							return err
						}
					}
					if _, err := core.AuthsessionUnbindAuthKeyUser(unbind(k.IntID(), 777)); err != nil {
						return err
					}
				}
				return nil
			}
			done <- run()
		}()
	}
	for range keys {
		require.NoError(t, <-done)
	}
	for _, k := range keys {
		c.is(k, "4 0", "all have ended")
	}
	require.Zero(t, c.number("SELECT COUNT(*) FROM auth_password_pendings"))
}
