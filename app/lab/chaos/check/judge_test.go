package check_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// sent is a good send of Ann to Bea that the BFF has taken at once.
func sent(text string, when float64) check.Send {
	return check.Send{Text: text, From: "Ann", To: "Bea", Began: at(when), Done: at(when + 0.1)}
}

func failed(text string, when, took float64) check.Send {
	s := sent(text, when)
	s.Err, s.Done = "500 INTERNAL_SERVER_ERROR", at(when+took)
	return s
}

func effect(text string, when float64, session, msgID int64, place int) check.Effect {
	return check.Effect{Text: text, Key: 1, Session: session, MsgID: msgID, Place: place, At: at(when)}
}

func seen(text string, when float64, how check.How) check.Seen {
	return check.Seen{Text: text, By: "Bea", At: at(when), How: how}
}

func fault(name string, begin, healed float64) check.Fault {
	return check.Fault{Name: name, Begin: at(begin), Healed: at(healed)}
}

func stopped(f check.Fault) check.Fault {
	f.Stop = true
	return f
}

func killed(f check.Fault) check.Fault { f.Kill = true; return f }

func TestJudge(t *testing.T) {
	type want struct {
		ok                                            bool
		messages, failed, lost, twice, doubled, again int
		problems                                      string // of the first one; empty: there is none
		recovered                                     time.Duration
		unwell                                        bool
	}
	for _, tc := range []struct {
		name string
		h    check.History
		want want // of the last row
	}{
		{"nothing happened", check.History{}, want{ok: true}},
		{"a message that was pushed", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1}},
		{"one that nobody saw", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
		}, want{messages: 1, lost: 1, problems: "never seen by Bea"}},
		{"one that was answered and not carried out", check.History{
			Sends: []check.Send{sent("a", 1)},
		}, want{lost: 1, problems: "never carried out"}},
		{"one whose sender knows nothing, that was taken", check.History{
			Sends:   []check.Send{failed("a", 1, 5)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
		}, want{messages: 1, failed: 1, lost: 1, problems: "never seen"}},
		{"one whose sender knows nothing, that was not taken", check.History{
			Sends: []check.Send{failed("a", 1, 5)},
		}, want{ok: true, failed: 1}},
		{"told at the last moment", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 91, check.TooLong)},
		}, want{ok: true, messages: 1}},
		{"told too late", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 91.5, check.Gap)},
		}, want{messages: 1, lost: 1, problems: "after 1m31s"}},
		{"seen twice", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 2, check.Pushed), seen("a", 3, check.Gap)},
		}, want{messages: 1, twice: 1, problems: "seen 2 times"}},
		{"seen out of order", check.History{
			Sends:   []check.Send{sent("a", 1), sent("b", 2)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("b", 2, 1, 8, 2)},
			Seen:    []check.Seen{seen("b", 3, check.Pushed), seen("a", 4, check.Gap)},
		}, want{messages: 2, twice: 1, problems: `after "b", which is behind it`}},
		{"in order, sent twice at once, the call that came late noted first", check.History{
			Sends:   []check.Send{sent("a", 0), sent("b", 1)},
			Effects: []check.Effect{effect("a", 0, 1, 100, 1), effect("b", 1, 2, 300, 0), effect("b", 1, 1, 200, 2)},
			Seen:    []check.Seen{seen("a", 1, check.Pushed), seen("b", 2, check.Pushed)},
		}, want{ok: true, messages: 2, again: 1}},
		{"seen and never carried out", check.History{
			Seen: []check.Seen{seen("a", 2, check.Pushed)},
		}, want{problems: "never carried out"}},
		{"carried out twice in a session, by the same call", check.History{
			Faults:  []check.Fault{fault("SIGTERM session", 0, 1)},
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1.5, 1, 4, 0), effect("a", 1, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{messages: 1, doubled: 1, problems: "with the same msg_id (SIGTERM session)"}},
		{"carried out twice in a session, by a call made anew", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 1.5, 1, 8, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{messages: 1, doubled: 1, problems: "with another msg_id"}},
		{"carried out twice in a session, once its client was told that nobody knows", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 6, 1, 8, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1, again: 1}},
		{"carried out late, and again once its client was told that nobody knows", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 5.9, 1, 4, 1), effect("a", 7, 1, 8, 0)},
			Seen:    []check.Seen{seen("a", 6, check.Pushed)},
		}, want{ok: true, messages: 1, again: 1}},
		{"carried out twice in a session, because the client has connected again", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 3, 1, 8, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
			Broken:  map[string][]time.Time{"Ann": {at(2)}},
		}, want{ok: true, messages: 1, again: 1}},
		{"carried out twice in a session, and another connection had ended before", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 3, 1, 8, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
			Broken:  map[string][]time.Time{"Ann": {at(0.5)}, "Bea": {at(2)}},
		}, want{messages: 1, doubled: 1, problems: "with another msg_id"}},
		{"carried out twice in a session, by the same call much later", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 60, 1, 4, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{messages: 1, doubled: 1, problems: "with the same msg_id"}},
		{"carried out twice around a stop, as another call of a session that was greeted anew", check.History{
			Faults:  []check.Fault{stopped(fault("SIGSTOP session", 0, 1))},
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 8, 1), effect("a", 1.5, 1, 4, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1, again: 1}},
		{"carried out twice around a stop, by the same call", check.History{
			Faults:  []check.Fault{stopped(fault("SIGSTOP session", 0, 1))},
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 1.5, 1, 4, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{messages: 1, doubled: 1, problems: "with the same msg_id"}},
		{"carried out twice around a stop, by the same call, once another node has begun the key anew", check.History{
			Faults:  []check.Fault{stopped(fault("SIGSTOP session", 0, 12))},
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 3, 1, 4, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1, doubled: 1, problems: "SIGSTOP session"}},
		{"carried out twice around a kill", check.History{
			Faults:  []check.Fault{killed(fault("SIGKILL session", 0, 1))},
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 1.5, 1, 4, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1, doubled: 1, problems: "SIGKILL session"}},
		{"sent again by its client, in another session", check.History{
			Sends:   []check.Send{sent("a", 1)},
			Effects: []check.Effect{effect("a", 1, 1, 4, 1), effect("a", 5, 2, 8, 0)},
			Seen:    []check.Seen{seen("a", 1.1, check.Pushed)},
		}, want{ok: true, messages: 1, again: 1}},
		{"a login that has ended", check.History{Ended: []string{"Ann: 401"}}, want{problems: "Ann: 401"}},
		{"calls that recover", check.History{
			Faults: []check.Fault{fault("cut", 10, 15)},
			Sends: []check.Send{
				failed("0", 8, 3), failed("a", 11, 2), failed("b", 13, 1), failed("c", 15, 4), failed("d", 16, 0.5), failed("e", 17, 0.1),
				{Text: "f", From: "Ann", To: "Bea", Began: at(18), Done: at(18.25), Err: ""},
				failed("g", 8.5, 9),
			},
			Effects: []check.Effect{effect("f", 18, 1, 4, 1)},
			Seen:    []check.Seen{seen("f", 18, check.Pushed)},
		}, want{ok: true, messages: 1, failed: 5, recovered: 8250 * time.Millisecond}},
		{"a call that the fault meets under way", check.History{
			Faults:  []check.Fault{fault("delay", 0, 5), fault("cut", 10, 15)},
			Sends:   []check.Send{failed("a", 9.5, 5), sent("b", 16)},
			Effects: []check.Effect{effect("b", 16, 1, 4, 1)},
			Seen:    []check.Seen{seen("b", 16, check.Pushed)},
		}, want{ok: true, messages: 1, failed: 1, recovered: 6100 * time.Millisecond}},
		{"calls that stay slow", check.History{
			Faults: []check.Fault{fault("delay", 10, 15)},
			Sends: []check.Send{
				{Text: "a", From: "Ann", To: "Bea", Began: at(11), Done: at(13)},
			},
			Effects: []check.Effect{effect("a", 12, 1, 4, 1)},
			Seen:    []check.Seen{seen("a", 12, check.Pushed)},
		}, want{ok: true, messages: 1, recovered: 3 * time.Second, unwell: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.h.Begin = start
			v := check.Judge(tc.h)
			r := v.Rows[len(v.Rows)-1]
			got := want{
				ok: v.OK(), messages: r.Messages, failed: r.Failed, lost: r.Lost, twice: r.Twice, doubled: r.Doubled, again: r.Again,
				recovered: r.Recovered, unwell: r.Unwell, problems: tc.want.problems,
			}
			require.Equal(t, tc.want, got)
			if tc.want.problems == "" {
				require.Empty(t, v.Problems)
			} else {
				require.Len(t, v.Problems, 1)
				require.Contains(t, v.Problems[0], tc.want.problems)
			}
		})
	}
}

func TestRows(t *testing.T) {
	h := check.History{
		Begin: start,
		Faults: []check.Fault{
			fault("cut", 10, 12), fault("kill", 20, 21), fault("cut", 30, 31),
		},
	}
	for i, when := range []float64{1, 10, 19.9, 20, 35} {
		text := string(rune('a' + i))
		h.Sends = append(h.Sends, sent(text, when))
		h.Effects = append(h.Effects, effect(text, when, 1, int64(4*i), i+1))
		h.Seen = append(h.Seen, seen(text, when+float64(i+1), check.Pushed))
	}
	v := check.Judge(h)
	require.True(t, v.OK())
	require.Len(t, v.Rows, 3)
	for i, want := range []struct {
		fault           string
		times, messages int
		told            []time.Duration
	}{
		{check.Calm, 0, 1, []time.Duration{time.Second}},
		{"cut", 2, 3, []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second}},
		{"kill", 1, 1, []time.Duration{4 * time.Second}},
	} {
		r := v.Rows[i]
		require.Equal(t, want.fault, r.Fault)
		require.Equal(t, want.times, r.Times)
		require.Equal(t, want.messages, r.Messages)
		require.Equal(t, want.messages, r.How[check.Pushed])
		require.Equal(t, want.told, r.Told)
	}
	cut := v.Rows[1]
	require.Equal(t, 3*time.Second, cut.Percentile(0.5))
	require.Equal(t, 5*time.Second, cut.Percentile(1))
	require.Zero(t, (&check.Row{}).Percentile(0.5))
}
