package logins

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatASignInDoes(t *testing.T) {
	const key, user, other, now = 1, 7, 8, 1000
	mine := Login{ID: 11, AuthKeyID: key, UserID: user, Hash: 21}
	theirs := Login{ID: 12, AuthKeyID: key, UserID: other, Hash: 22}
	elsewhere := Login{ID: 13, AuthKeyID: 2, UserID: user, Hash: 23}
	ended := func(l Login) Login { l.Reason = LoggedOut; return l }
	inFlight := Marks{{Owner: 5, Created: now, Seq: 1}}
	one, confirm := Rules{Strategy: OneLogin}, Rules{ConfirmWithin: 60}
	for name, tc := range map[string]struct {
		rules Rules
		in    SignIn
		want  SignInPlan
	}{
		"the first login":  {one, SignIn{}, SignInPlan{Complete: true}},
		"it goes on":       {one, SignIn{OnKey: []Login{mine}, Live: []Login{mine}}, SignInPlan{Complete: true, GoesOn: true}},
		"it has ended":     {one, SignIn{OnKey: []Login{ended(mine)}}, SignInPlan{Complete: true}},
		"another's key":    {one, SignIn{OnKey: []Login{theirs}}, SignInPlan{Complete: true, Replace: []int64{12}}},
		"it was another's": {one, SignIn{OnKey: []Login{ended(theirs)}}, SignInPlan{Complete: true}},
		"the policy": {
			one,
			SignIn{Live: []Login{elsewhere}},
			SignInPlan{Complete: true, Completion: Completion{End: []int64{13}}},
		},
		"the policy waits for the second factor": {
			one,
			SignIn{Live: []Login{elsewhere}, Marks: inFlight},
			SignInPlan{Marks: Marks{{Owner: 5, UserID: user, Created: now, Seq: 1}}},
		},
		"another's login does not wait for it": {
			one,
			SignIn{OnKey: []Login{theirs}, Marks: inFlight},
			SignInPlan{Replace: []int64{12}, Marks: Marks{{Owner: 5, UserID: user, Created: now, Seq: 1}}},
		},
		"what another owed is not owed": {
			one,
			SignIn{OnKey: []Login{theirs}, Marks: Marks{{Owner: 5, UserID: other, Created: now, Seq: 1}}},
			SignInPlan{Replace: []int64{12}, Complete: true},
		},
		"the only login is confirmed": {confirm, SignIn{Live: []Login{mine}, OnKey: []Login{mine}}, SignInPlan{Complete: true, GoesOn: true}},
		"a login beside others is not": {
			confirm,
			SignIn{Live: []Login{elsewhere}},
			SignInPlan{Complete: true, UnconfirmedUntil: now + 60, Completion: Completion{Tell: []int64{2}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.Now, tc.in.AuthKeyID, tc.in.UserID = now, key, user
			got := tc.rules.SignIn(tc.in)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.want.Complete && !tc.want.GoesOn, got.Begins())
		})
	}
}

// Who hears of a login are the devices that stay, in their order, and no more than a hundred.
func TestWhoHearsOfALogin(t *testing.T) {
	require.Equal(t, Completion{End: []int64{102, 101}, Tell: []int64{3}}, Rules{Strategy: LimitAll, Limit: 2}.Completion(Policy{}, many("abc"), 9, "a"))
	require.Equal(t, []int64{1, 3}, Rules{}.Completion(Policy{}, many("abc"), 2, "a").Tell, "not its own device")
	require.Equal(t, []int64{1, 3}, Others(many("abc"), 1002))
	crowd := make([]Login, 150)
	for i := range crowd {
		crowd[i] = Login{AuthKeyID: int64(i + 1), Hash: int64(i + 1)}
	}
	require.Len(t, Rules{}.Completion(Policy{}, crowd, 1, "a").Tell, 100)
	require.Len(t, Others(crowd, 1), 100)
}

func TestTheRowOfALogin(t *testing.T) {
	before := &Login{Hash: 5, SignedIn: 100}
	require.Equal(t, Row{Hash: 9, SignedIn: 1000, Anew: true}, RowOf(nil, false, 9, 1000))
	require.Equal(t, Row{Hash: 9, SignedIn: 1000, Anew: true}, RowOf(before, false, 9, 1000), "it has ended")
	require.Equal(t, Row{Hash: 5, SignedIn: 100}, RowOf(before, true, 9, 1000), "it goes on")
	require.Equal(t, Row{Hash: 9, SignedIn: 1000}, RowOf(&Login{}, true, 9, 1000), "a stock node's")
}
