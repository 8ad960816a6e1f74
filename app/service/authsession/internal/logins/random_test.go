package logins

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// world is what a store keeps of some users on some keys, and carries plans out as it does.
type world struct {
	t     *testing.T
	rand  *rand.Rand
	now   int64
	rules Rules
	own   map[int64]Policy
	rows  []*Login
	marks map[int64]Marks // by key
	log   []string
}

const (
	users, keys, owners = 3, 8, 4
	kinds               = "abc"
)

var strategiesAndNone = []Strategy{Inherit, Unlimited, LimitAll, LimitPerDeviceType, OnePerDeviceType, OneLogin}

// Whatever happens to logins, in whatever order and under whatever policies, the plans keep what
// is promised to users. A seed that fails prints what happened.
func TestPlansKeepTheirPromises(t *testing.T) {
	for seed := range uint64(200) {
		w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: 1_000_000, own: map[int64]Policy{}, marks: map[int64]Marks{}}
		w.rules = Rules{
			TTLDays: w.rand.Int64N(3), ConfirmWithin: w.rand.Int64N(2) * 60,
			Strategy: strategiesAndNone[1+w.rand.IntN(5)], Limit: 1 + w.rand.IntN(4), Total: w.rand.IntN(5),
		}
		for range 150 {
			w.step()
		}
		if t.Failed() {
			t.Fatalf("seed %d, rules %+v: %v", seed, w.rules, w.log)
		}
	}
}

func (w *world) step() {
	w.now += w.rand.Int64N(100)
	key, user := 1+w.rand.Int64N(keys), 1+w.rand.Int64N(users)
	if w.rand.IntN(40) == 0 {
		w.now += w.rand.Int64N(2 * day)
	}
	switch n := w.rand.IntN(20); {
	case n < 8:
		w.signIn(key, user)
	case n < 15:
		w.say(key, Pending{Owner: w.rand.Int64N(owners), UserID: w.rand.Int64N(2) * user, Owed: w.rand.IntN(2) == 0})
	case n < 16:
		w.own[user] = Policy{TTLDays: w.rand.IntN(3), Strategy: strategiesAndNone[w.rand.IntN(6)], Limit: w.rand.IntN(4)}
		w.note("user %d has %+v", user, w.own[user])
	case n < 17:
		w.endUnused()
	default:
		if live := w.live(func(*Login) bool { return true }); len(live) > 0 {
			l := w.row(live[w.rand.IntN(len(live))].ID)
			l.Used(w.now)
		}
	}
	for key, marks := range w.marks {
		w.holdMarks(key, marks)
	}
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) row(id int64) *Login { return w.rows[id-1] }

// live are the live logins that f selects, the one active last first.
func (w *world) live(f func(*Login) bool) (list []Login) {
	for _, l := range w.rows {
		if l.Reason == Live && f(l) {
			list = append(list, *l)
		}
	}
	slices.SortFunc(list, NewestFirst)
	return list
}

func (w *world) of(user int64) []Login {
	return w.live(func(l *Login) bool { return l.UserID == user })
}

// kind is the type of the device that has a key.
func kind(key int64) string { return string(kinds[key%int64(len(kinds))]) }

func (w *world) signIn(key, user int64) {
	in := SignIn{Now: w.now, AuthKeyID: key, UserID: user, DeviceType: kind(key), Own: w.own[user], Live: w.of(user), Marks: w.marks[key]}
	var before *Login
	for _, l := range w.rows {
		if l.AuthKeyID == key {
			in.OnKey = append(in.OnKey, *l)
			if l.UserID == user {
				before = l
			}
		}
	}
	plan := w.rules.SignIn(in)
	w.note("user %d signs in on key %d: %+v", user, key, plan)
	for _, id := range plan.Replace {
		require.True(w.t, w.row(id).AuthKeyID == key && w.row(id).UserID != user, "only another's login on the key is replaced")
	}
	w.end(plan.Replace, ReplacedOnKey)
	if !plan.Complete {
		require.Empty(w.t, plan.End, "a login that owes the second factor ends nobody")
		require.Empty(w.t, plan.Tell, "nor does anybody hear of it")
	}
	w.holdCompletion(plan.Completion, in.Live, key)
	w.end(plan.End, ConcurrentLogin)
	isLive := before != nil && before.Reason == Live
	require.Equal(w.t, plan.GoesOn, isLive)
	row := RowOf(before, isLive, w.now, w.now)
	require.Equal(w.t, plan.GoesOn, !row.Anew)
	require.NotZero(w.t, row.Hash)
	if before == nil {
		before = &Login{ID: int64(len(w.rows) + 1), AuthKeyID: key, UserID: user, DeviceType: kind(key)}
		w.rows = append(w.rows, before)
	}
	before.Hash, before.SignedIn, before.LastActive, before.Reason = row.Hash, row.SignedIn, w.now, Live
	own := int64(w.own[user].TTLDays)
	before.ExpiresAt, before.OwnTTL = w.rules.Expiry(w.now, own), own > 0
	w.marks[key] = plan.Marks
	if on := w.live(func(l *Login) bool { return l.AuthKeyID == key }); len(on) != 1 || on[0].UserID != user {
		w.t.Errorf("on key %d is %+v, not user %d alone", key, on, user)
	}
	if plan.Complete {
		w.holdPolicy(user, key)
	}
	require.Equal(w.t, w.rules.ConfirmWithin > 0 && len(plan.Tell)+len(plan.End) > 0, plan.UnconfirmedUntil > w.now && plan.Complete)
}

// say is what a call says of the second factor on a key.
func (w *world) say(key int64, p Pending) {
	var on []int64
	for _, l := range w.live(func(l *Login) bool { return l.AuthKeyID == key }) {
		on = append(on, l.UserID)
	}
	before := w.marks[key]
	plan := p.Plan(before, on, w.now)
	w.note("key %d, users %v: %+v: %+v", key, on, p, plan)
	for _, user := range on {
		if !p.ChangesState() {
			require.Equal(w.t, before.Owed(user), plan.Marks.Owed(user), "a call that begins says nothing of the login that there is")
		}
		if p.Owed {
			require.False(w.t, before.Owed(user) && !plan.Marks.Owed(user), "a debt does not go by another")
		}
	}
	w.marks[key] = plan.Marks
	if plan.Completed == 0 {
		return
	}
	require.False(w.t, p.Owed)
	live := w.of(plan.Completed)
	done := w.rules.Completion(w.own[plan.Completed], live, key, kind(key))
	w.holdCompletion(done, live, key)
	w.end(done.End, ConcurrentLogin)
	w.holdPolicy(plan.Completed, key)
}

// end ends logins. Each is live: nothing ends twice.
func (w *world) end(ids []int64, why Reason) {
	for _, id := range ids {
		l := w.row(id)
		if l.Reason != Live {
			w.t.Errorf("login %d has ended, and ends again: %v", id, why)
		}
		l.Reason = why
		w.marks[l.AuthKeyID] = withoutMarksOf(w.marks[l.AuthKeyID], l.UserID)
	}
}

// endUnused is the clean-up.
func (w *world) endUnused() {
	before := w.now - day
	for _, l := range w.live(func(*Login) bool { return true }) {
		why := Unused(&l, before, w.now)
		if why == Live {
			continue
		}
		require.True(w.t, why.ByIdleness())
		require.True(w.t, l.LastActive < w.now, "a login in use does not end")
		w.end([]int64{l.ID}, why)
	}
}

// holdCompletion holds what a complete login on a key does to the other logins of its user.
func (w *world) holdCompletion(done Completion, live []Login, key int64) {
	for _, l := range live {
		ends := slices.Contains(done.End, l.ID)
		hears := slices.Contains(done.Tell, l.AuthKeyID)
		if l.AuthKeyID == key && (ends || hears) {
			w.t.Errorf("the login on key %d ends (%v) or hears of itself (%v)", key, ends, hears)
		}
		require.False(w.t, ends && hears, "who ends hears nothing")
		for _, other := range live {
			if ends && other.AuthKeyID != key && other.DeviceType == l.DeviceType && !slices.Contains(done.End, other.ID) && NewestFirst(other, l) > 0 {
				w.t.Errorf("login %d ends, and %d stays, which was idle for longer", l.ID, other.ID)
			}
		}
	}
}

// holdPolicy holds that no more logins of a user stay than the policy lets, once the one on a
// key is complete. Of other device types than its own there may be more: they were there when
// the policy was another, and a login ends those of its own type.
func (w *world) holdPolicy(user, key int64) {
	own, strategy, limit, total := w.own[user], w.rules.Strategy, w.rules.Limit, w.rules.Total
	if own.Strategy != Inherit {
		strategy, total = own.Strategy, 0
	}
	if own.Limit > 0 {
		limit = own.Limit
	}
	all := w.of(user)
	ofType := len(slices.DeleteFunc(slices.Clone(all), func(l Login) bool { return l.DeviceType != kind(key) }))
	mostOfType, most := keys, keys
	switch strategy {
	case LimitAll:
		most = limit
	case LimitPerDeviceType:
		mostOfType = limit
	case OnePerDeviceType:
		mostOfType = 1
	case OneLogin:
		most = 1
	}
	if total > 0 {
		most = min(most, total)
	}
	if len(all) > most || ofType > mostOfType {
		w.t.Errorf("user %d has %d logins, %d of the type %s; the policy lets %d and %d stay", user, len(all), ofType, kind(key), most, mostOfType)
	}
}

// holdMarks holds what is true of the marks of a key at any time.
func (w *world) holdMarks(key int64, l Marks) {
	ofOwner, counts := map[int64]int{}, map[bool]int{}
	for _, m := range l {
		ofOwner[m.Owner]++
		counts[m.UserID == 0]++
		if m.UserID != 0 && len(w.live(func(l *Login) bool { return l.AuthKeyID == key && l.UserID == m.UserID })) == 0 {
			w.t.Errorf("key %d has a mark of user %d, who is not logged in there", key, m.UserID)
		}
	}
	for owner, n := range ofOwner {
		require.Equal(w.t, 1, n, "owner %d", owner)
	}
	require.LessOrEqual(w.t, max(counts[true], counts[false]), maxMarks)
}
