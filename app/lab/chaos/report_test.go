package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/chaos/plan"
)

func TestWanted(t *testing.T) {
	f := plan.Type{Kind: plan.Kill, Target: plan.Etcd}
	for _, tc := range []struct {
		name  string
		parts []string
		want  bool
	}{
		{"all are", nil, true},
		{"by its kind", []string{"sigkill"}, true},
		{"by its target", []string{"redis", "leader"}, true},
		{"another", []string{"redis"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, wanted(f, tc.parts)) })
	}
}

func TestPanicking(t *testing.T) {
	require.Equal(t, []string{"panic: oh", "fatal error: all goroutines are asleep"},
		panicking("level=info panic: in a text\npanic: oh\n\ngoroutine 1\nfatal error: all goroutines are asleep\n"))
	require.Empty(t, panicking(""))
}

func TestPrint(t *testing.T) {
	now := time.Now()
	verdict := check.Judge(check.History{
		Faults:  []check.Fault{{Name: "cut here", Begin: now, Healed: now.Add(time.Second)}},
		Sends:   []check.Send{{Text: "a", From: "Ann", To: "Bea", Began: now, Done: now.Add(2 * time.Second)}},
		Effects: []check.Effect{{Text: "a", At: now, Place: 1}},
		Seen:    []check.Seen{{Text: "a", By: "Bea", At: now.Add(1500 * time.Millisecond), How: check.Pushed}},
	})
	for _, tc := range []struct {
		name string
		r    Result
		want []string
	}{
		{
			"all is well",
			Result{Verdict: verdict, Skipped: []string{"clock: none"}},
			[]string{"cut here", "1.5 s", "2.0 s*", "pushed 1", "skipped: clock: none", "everything held: 1 messages, 0 lost"},
		},
		{
			"a late message",
			Result{Verdict: &check.Verdict{Late: []string{"a after 12.0 s"}}},
			[]string{"late: a after 12.0 s", "everything held"},
		},
		{
			"a panic",
			Result{Verdict: verdict, Panics: []string{"session-1.out: panic: oh"}},
			[]string{"a part has panicked: session-1.out: panic: oh", "NOT everything held"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			tc.r.Print(&out)
			for _, want := range tc.want {
				require.Contains(t, out.String(), want)
			}
		})
	}
}
