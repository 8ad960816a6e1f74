package logins

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// key is a key with what the store keeps of it, for tests: who is logged in, and the marks.
type key struct {
	user  int64 // 0: nobody
	marks Marks
	now   int64
}

func (k *key) users() []int64 {
	if k.user == 0 {
		return nil
	}
	return []int64{k.user}
}

// withoutMarksOf is what the store leaves of the marks of a key on which a login ends.
func withoutMarksOf(l Marks, userID int64) Marks {
	return slices.DeleteFunc(slices.Clone(l), func(m Mark) bool { return m.UserID == userID && userID != 0 })
}

// state is what a key is to its client.
func (k *key) state() string {
	switch {
	case k.user == 0:
		return "nobody"
	case k.marks.Owed(k.user):
		return fmt.Sprintf("%d owes", k.user)
	}
	return fmt.Sprintf("%d", k.user)
}

// do carries out a step: "begin a" and "done a" are the begin and the end of a call that leaves
// no login; "owes a 7" and "complete a 7" say what the call a has left of the login of 7;
// "bind 7" is a sign-in; "end" and "stock-end" end the login; "wait 60".
func (k *key) do(t *testing.T, step string) {
	t.Helper()
	words := strings.Fields(step)
	owner := func() int64 { return int64(words[1][0]) }
	number := func(i int) (n int64) {
		_, err := fmt.Sscan(words[i], &n)
		require.NoError(t, err, step)
		return n
	}
	say := func(p Pending) { k.marks = p.Plan(k.marks, k.users(), k.now).Marks }
	switch words[0] {
	case "begin":
		say(Pending{Owner: owner(), Owed: true})
	case "done":
		say(Pending{Owner: owner()})
	case "owes":
		say(Pending{Owner: owner(), UserID: number(2), Owed: true})
	case "complete":
		say(Pending{Owner: owner(), UserID: number(2)})
	case "bind":
		user := number(1)
		in := SignIn{Now: k.now, AuthKeyID: 1, UserID: user, Marks: k.marks}
		if k.user != 0 {
			in.OnKey = []Login{{ID: k.user, AuthKeyID: 1, UserID: k.user}}
		}
		k.user, k.marks = user, Rules{}.SignIn(in).Marks
	case "end":
		k.marks = withoutMarksOf(k.marks, k.user)
		k.user = 0
	case "stock-end": // a stock node knows of no marks
		k.user = 0
	case "wait":
		k.now += number(1)
	default:
		t.Fatalf("step %q", step)
	}
}

// A mark belongs to one call until a login begins on the key, and then to that login.
func TestAMarkBelongsToOneLogin(t *testing.T) {
	for name, steps := range map[string]string{
		"a call that leaves no login":             "begin a: nobody; done a: nobody; bind 7: 7",
		"a password is owed":                      "begin a: nobody; bind 7: 7 owes; owes a 7: 7 owes; begin b: 7 owes; complete b 7: 7",
		"the code was asked in vain":              "begin a: nobody; bind 7: 7 owes; done a: 7",
		"a call on a key with a login":            "bind 7: 7; begin a: 7; done a: 7",
		"the answer comes before the bind":        "begin a: nobody; owes a 7: nobody; bind 7: 7 owes",
		"a call whose end nobody heard of":        "begin a: nobody; wait 601: nobody; bind 7: 7",
		"it is in flight for ten minutes":         "begin a: nobody; wait 600: nobody; bind 7: 7 owes",
		"a login keeps its mark for ever":         "begin a: nobody; bind 7: 7 owes; wait 100000: 7 owes",
		"another user owes nothing of it":         "begin a: nobody; bind 7: 7 owes; bind 8: 8",
		"a later call is not completed by it":     "begin a: nobody; bind 7: 7 owes; owes b 7: 7 owes; complete a 7: 7 owes; complete b 7: 7",
		"an earlier call is":                      "owes a 7: nobody; bind 7: 7 owes; begin b: 7 owes; complete b 7: 7",
		"a sign-in goes on while one is owed":     "begin a: nobody; bind 7: 7 owes; begin b: 7 owes; bind 7: 7 owes; complete b 7: 7",
		"the end of a login ends what it owes":    "begin a: nobody; bind 7: 7 owes; end: nobody; bind 7: 7",
		"a login that a stock node ends, too":     "begin a: nobody; bind 7: 7 owes; stock-end: nobody; bind 7: 7",
		"a call under way outlives another login": "bind 7: 7; begin a: 7; end: nobody; bind 7: 7 owes",
	} {
		t.Run(name, func(t *testing.T) {
			k := &key{now: 1_000_000}
			for _, step := range strings.Split(steps, "; ") {
				step, want, _ := strings.Cut(step, ": ")
				k.do(t, step)
				require.Equal(t, want, k.state(), step)
			}
		})
	}
}

// Sessions that name no call have one mark together, and their word clears all.
func TestASessionThatNamesNoCall(t *testing.T) {
	const now = 1000
	begun := Pending{Owed: true}.Plan(Marks{{Owner: 5, Created: now, Seq: 1}}, nil, now).Marks
	require.Len(t, begun, 2)
	require.Len(t, Pending{Owed: true}.Plan(begun, nil, now).Marks, 2, "once more")
	require.Empty(t, Pending{}.Plan(begun, nil, now).Marks)
	require.Empty(t, Pending{UserID: 7}.Plan(Marks{{UserID: 7}, {Owner: 5}}, []int64{7}, now).Marks)
	require.Equal(t, Marks{{Owner: 6, UserID: 7, Seq: 9}},
		Pending{Owner: 5, UserID: 7}.Plan(Marks{{UserID: 7, Seq: 8}, {Owner: 5, Seq: 3}, {Owner: 6, UserID: 7, Seq: 9}}, []int64{7}, now).Marks,
		"a mark without a name counts as earlier")
}

// Which login owes is known where one user is on the key: only then is a sign-in completed.
func TestWhichWordCompletesASignIn(t *testing.T) {
	owing := Marks{{Owner: 5, UserID: 7, Seq: 1}}
	done := Pending{Owner: 5, UserID: 7}
	require.EqualValues(t, 7, done.Plan(owing, []int64{7}, 0).Completed)
	require.Zero(t, done.Plan(owing, []int64{7, 8}, 0).Completed, "stock nodes left two users on the key")
	require.Zero(t, done.Plan(owing, nil, 0).Completed, "nobody is logged in")
	require.Zero(t, done.Plan(nil, []int64{7}, 0).Completed, "nothing was owed")
	require.Zero(t, done.Plan(append(Marks{{Owner: 6, UserID: 7, Seq: 2}}, owing...), []int64{7}, 0).Completed, "another call is owed for")
	for p, want := range map[Pending]bool{{Owner: 5, Owed: true}: false, {Owner: 5, UserID: 7, Owed: true}: true, {Owner: 5}: true, {Owner: 5, UserID: 7}: true} {
		require.Equal(t, want, p.ChangesState(), "%+v", p)
	}
}

// However many calls a client makes, sixteen marks of a kind stay: the newest.
func TestMarksAreBounded(t *testing.T) {
	var l Marks
	for owner := range int64(40) {
		l = Pending{Owner: owner + 1, Owed: true}.Plan(l, nil, 1000).Marks
	}
	require.Len(t, l, maxMarks)
	require.EqualValues(t, 40, l[0].Owner)
	require.EqualValues(t, 25, l[15].Owner)
}

func TestWhatOfTheMarksIsWritten(t *testing.T) {
	before := Marks{{Owner: 1, Seq: 1}, {Owner: 2, Seq: 2}, {Owner: 3, Seq: 3}}
	drop, put := before.Change(Marks{{Owner: 2, Seq: 2}, {Owner: 3, UserID: 7, Seq: 3}, {Owner: 4, Seq: 4}})
	require.Equal(t, []int64{1}, drop)
	require.Equal(t, Marks{{Owner: 3, UserID: 7, Seq: 3}, {Owner: 4, Seq: 4}}, put)
	drop, put = before.Change(before)
	require.Empty(t, drop)
	require.Empty(t, put)
}
