package dao

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// crowded is a store whose user 777 has eight live logins, on the keys 1 to 8, and may
// have one from now on. A sign-in ends two of them in its own transaction.
func crowded(t *testing.T) (*store, *Dao) {
	s := newStore(t)
	d := s.nodes[0]
	s.login(d, 777, 10, 20, 30, 40, 50, 60, 70, 80)
	s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (90, 0, 90)")
	require.NoError(t, d.SetLayer(t.Context(), 90, "", 223))
	d.SetRules(logins.Rules{Strategy: logins.OneLogin})
	d.ends = 2
	return s, d
}

func (s *store) liveKeys() []int64 {
	return s.numbers("SELECT auth_key_id FROM auth_users WHERE user_id = 777 AND deleted = 0 ORDER BY auth_key_id")
}

// A sign-in ends all logins that the policy does not let stay, also those that do not
// end in its own transaction.
func TestASignInEndsAllThatIsTooMuch(t *testing.T) {
	s, d := crowded(t)
	done, err := d.SignIn(t.Context(), 90, 777, 5)
	require.NoError(t, err)
	require.Len(t, done.Ended, 8)
	require.Equal(t, []int64{90}, s.liveKeys())
	for _, e := range done.Ended {
		require.Equal(t, logins.ConcurrentLogin, e.Reason)
		require.Equal(t, "user:777", e.RevokedBy)
		require.Zero(t, s.user(s.nodes[1], e.AuthKeyID), "no copy of it is left")
	}
}

// So does a sign-in whose second factor was given, however many logins were used since.
func TestACompletedSignInEndsAllThatIsTooMuch(t *testing.T) {
	s, d := crowded(t)
	_, err := d.SetPending(t.Context(), 90, logins.Pending{Owner: 1, Owed: true})
	require.NoError(t, err)
	_, err = d.SignIn(t.Context(), 90, 777, 5)
	require.NoError(t, err)
	require.Len(t, s.liveKeys(), 9)
	s.exec("UPDATE auth_users SET date_active = ? WHERE auth_key_id <> 90", now+60)
	done, err := d.SetPending(t.Context(), 90, logins.Pending{Owner: 1, UserID: 777})
	require.NoError(t, err)
	require.Len(t, done.Ended, 8)
	require.Equal(t, []int64{90}, s.liveKeys())
}

// What one sign-in does not read, the next ones end.
func TestTheNextSignInsGoOn(t *testing.T) {
	s, d := crowded(t)
	s.more(200, "other")
	d.looks = 90
	var live []int64
	for range 4 {
		_, err := d.SignIn(t.Context(), 90, 777, 5)
		require.NoError(t, err)
		before := len(live)
		live = s.liveKeys()
		require.Contains(t, live, int64(90))
		require.True(t, before == 0 || len(live) < before, "%d live logins after %d", len(live), before)
		if len(live) == 1 {
			return
		}
	}
	require.Fail(t, "some are left", "%v", live)
}

// more gives the user n more live logins, on devices of a type.
func (s *store) more(n int, deviceType string) {
	s.t.Helper()
	for i := range n {
		s.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type) VALUES (?, 777, ?, 1, 1, ?)", 1000+i, 1000+i, deviceType)
	}
}

// Where the policy counts a device type alone, others do not take the place of those that
// a sign-in looks at.
func TestOtherTypesAreNotLookedAt(t *testing.T) {
	s, d := crowded(t)
	s.exec("UPDATE auth_users SET device_type = 'ios'")
	s.more(150, "other")
	d.SetRules(logins.Rules{Strategy: logins.OnePerDeviceType})
	d.looks = 160
	s.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type)" +
		" SELECT auth_key_id + 1000, 777, hash + 1000, 1, 2, 'web' FROM auth_users WHERE device_type = 'other'")
	s.exec("UPDATE auth_users SET id = id + 1000 WHERE device_type = 'other' ORDER BY id DESC")
	done, err := d.SignIn(t.Context(), 90, 777, 5)
	require.NoError(t, err)
	require.Len(t, done.Ended, 150)
	require.Len(t, s.liveKeys(), 8+150+1)
}

// A sign-in that has used half of its time leaves the rest to the next one.
func TestASignInLeavesTimeToAnswer(t *testing.T) {
	s, d := crowded(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	rest, err := d.LiveOf(t.Context(), 777)
	require.NoError(t, err)
	require.Empty(t, d.endRest(ctx, time.Now().Add(-2*time.Hour), rest[0].Login, facts(rest)))
	require.Len(t, s.liveKeys(), 8)
	_, err = d.SignIn(t.Context(), 90, 777, 5)
	require.NoError(t, err)
	require.Equal(t, []int64{90}, s.liveKeys())
}

// A login that began on the key of one of the rest stays.
func TestALoginThatBeganMeanwhileStays(t *testing.T) {
	s, d := crowded(t)
	live, err := d.LiveOf(t.Context(), 777)
	require.NoError(t, err)
	rest := facts(live)
	i := slices.IndexFunc(live, func(r Record) bool { return r.AuthKeyID == 40 })
	_, err = d.End(t.Context(), live[i:i+1], logins.ByUser, By{})
	require.NoError(t, err)
	s.signedIn(d, 40)
	own := s.signedIn(d, 90)
	require.Len(t, d.endRest(t.Context(), time.Now(), own, rest), 7)
	require.Equal(t, []int64{40, 90}, s.liveKeys())
}

// signedIn has the user sign in on a key, under no policy.
func (s *store) signedIn(d *Dao, perm int64) logins.Login {
	s.t.Helper()
	d.SetRules(logins.Rules{})
	_, err := d.SignIn(s.t.Context(), perm, 777, perm)
	require.NoError(s.t, err)
	own, err := d.LiveOn(s.t.Context(), perm)
	require.NoError(s.t, err)
	return own.Login
}

// Between a sign-in and the end of the rest another one came, on a key of the rest: it went
// on with that login, ended the first one's, as the policy has it, and then lost its own. The
// user was logged in nowhere. The look whether there is more to end leaves no trace: a user who
// was erased meanwhile had settings again, for ever.
func TestASignInThatWasEndedEndsNothing(t *testing.T) {
	s, d := crowded(t)
	live, err := d.LiveOf(t.Context(), 777)
	require.NoError(t, err)
	own := s.signedIn(d, 90)
	s.signedIn(d, 40)
	onKey, err := d.LiveOn(t.Context(), 90)
	require.NoError(t, err)
	_, err = d.End(t.Context(), []Record{onKey}, logins.ConcurrentLogin, By{})
	require.NoError(t, err)
	s.exec("DELETE FROM auth_user_settings")
	require.Empty(t, d.endRest(t.Context(), time.Now(), own, facts(live)))
	require.Equal(t, []int64{10, 20, 30, 40, 50, 60, 70, 80}, s.liveKeys())
	require.Equal(t, []int64{0}, s.numbers("SELECT COUNT(*) FROM auth_user_settings"))
}

// Where nothing is to end any more, no other batch begins, and the transaction is neither
// repeated nor a fault of MySQL, of which many would have go-zero's breaker refuse statements.
func TestWhereNothingIsToEndAnyMoreItEnds(t *testing.T) {
	s := newStore(t)
	d := s.nodes[0]
	asked := 0
	how := ending{goOn: func(context.Context, *Tx) error { asked++; return errNoMore }}
	for range 100 {
		asked = 0
		ended, err := d.endBatches(t.Context(), make([]logins.Login, endBatch+1), how, func() bool { return true })
		require.NoError(t, err)
		require.Empty(t, ended)
		require.Equal(t, 1, asked)
	}
	require.Zero(t, d.cache.Owed())
}

// So it was with a policy that lets several logins stay: one of the rest that signs in again
// meanwhile, or gives its second factor, is in use.
func TestALoginThatIsUsedMeanwhileStays(t *testing.T) {
	pending := func(s *store, d *Dao, p logins.Pending) {
		_, err := d.SetPending(t.Context(), 40, p)
		require.NoError(s.t, err)
	}
	for name, signIn := range map[string]struct{ before, meanwhile func(s *store, d *Dao) }{
		"a sign-in": {func(*store, *Dao) {}, func(s *store, d *Dao) { s.signedIn(d, 40) }},
		"a second factor": {
			func(s *store, d *Dao) {
				pending(s, d, logins.Pending{Owner: 1, Owed: true})
				s.signedIn(d, 40)
			},
			func(s *store, d *Dao) { pending(s, d, logins.Pending{Owner: 1, UserID: 777}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := crowded(t)
			signIn.before(s, d)
			s.exec("UPDATE auth_users u JOIN auths a ON a.auth_key_id = u.auth_key_id SET u.date_active = 1, a.date_active = 1")
			live, err := d.LiveOf(t.Context(), 777)
			require.NoError(t, err)
			own := s.signedIn(d, 90)
			signIn.meanwhile(s, d)
			require.Len(t, d.endRest(t.Context(), time.Now(), own, facts(live)), 7)
			require.Equal(t, []int64{40, 90}, s.liveKeys())
		})
	}
}

// Where the policy ends none, a sign-in reads no more logins than can hear of it.
func TestASignInWithoutALimitReadsFew(t *testing.T) {
	s, d := crowded(t)
	s.more(150, "other")
	read := func(own logins.Policy) int {
		live, err := d.liveFor(t.Context(), d.conn, d.rules.Load(), own, 777, "other")
		require.NoError(t, err)
		require.True(t, slices.IsSortedFunc(live, logins.NewestFirst))
		return len(live)
	}
	require.Equal(t, logins.MaxOthers+1, read(logins.Policy{Strategy: logins.Unlimited}))
	require.Equal(t, 158, read(logins.Policy{}))
	d.window = 60
	require.Equal(t, 158, read(logins.Policy{}), "also in windows")
}
