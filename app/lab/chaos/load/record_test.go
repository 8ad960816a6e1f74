package load

import (
	"errors"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/chaos/check"
)

func TestRecord(t *testing.T) {
	r := NewRecord()
	healed := r.Fault("cut", true, false)
	r.Sent(bff.Sent{Text: "a", Key: 1, Session: 2, MsgID: 3, Place: 4})
	r.Sent(bff.Sent{Text: "b"})
	n, changed := r.waiting()
	require.Equal(t, 2, n)
	r.saw(check.Seen{Text: "a", By: "Bea", How: check.Gap})
	<-changed
	n, _ = r.waiting()
	require.Equal(t, 1, n)
	healed()
	r.sent(check.Send{Text: "c", Err: "no"})
	r.loggedOut("Bea", errors.New("401"))
	r.loggedOut("Bea", errors.New("401 again"))

	taken, seen, failed := r.Figures()
	require.Equal(t, []int{2, 1, 1}, []int{taken, seen, failed})
	h := r.History()
	require.WithinDuration(t, time.Now(), h.Effects[0].At, time.Minute)
	h.Effects[0].At = time.Time{}
	require.Equal(t, check.Effect{Text: "a", Key: 1, Session: 2, MsgID: 3, Place: 4}, h.Effects[0])
	require.True(t, h.Faults[0].Kill)
	require.False(t, h.Faults[0].Healed.Before(h.Faults[0].Begin))
	require.Len(t, h.Ended, 1)
	r.Sent(bff.Sent{Text: "d"})
	require.Len(t, h.Effects, 2, "a copy")
}

func message(text string) *tg.Updates {
	return &tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: &tg.Message{Message: text}}}}
}

// How a message came is known by what came first.
func TestHowMessagesCame(t *testing.T) {
	r := newReader(NewRecord(), "Bea")
	for _, tc := range []struct {
		name string
		text string
		come func()
		want check.How
	}{
		{"pushed", "a", func() { _ = r.raw(t.Context(), message("a")) }, check.Pushed},
		{"fetched because of a gap", "b", func() { r.told.came("b", r.told.fetching()) }, check.Gap},
		{"told to fetch", "c", func() {
			_ = r.raw(t.Context(), &tg.UpdatesTooLong{})
			r.told.came("c", r.told.fetching())
		}, check.TooLong},
		{"once", "d", func() { r.told.came("d", r.told.fetching()) }, check.Gap},
		{"in a new session", "e", func() {
			r.newSession()
			r.told.came("e", r.told.fetching())
		}, check.NewSession},
		{"pushed, and fetched later", "f", func() {
			_ = r.raw(t.Context(), message("f"))
			r.told.came("f", r.told.fetching())
		}, check.Pushed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.come()
			require.Equal(t, tc.want, r.told.of(tc.text))
		})
	}
	require.Equal(t, check.Created, r.record.h.Moments[0].What)
	require.Len(t, r.queue, 4, "the manager hears of all that came, and of the new session")
	require.NoError(t, r.update(t.Context(), message("a")))
	require.Equal(t, check.Pushed, r.record.h.Seen[0].How)
}
