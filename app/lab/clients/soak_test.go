package clients

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/clients/program"
)

func TestJudgementOfASoak(t *testing.T) {
	for _, tc := range []struct {
		name string
		saw  func(*tally)
		want string // of the error; empty: there is none
	}{
		{"all well", func(t *tally) {
			t.message(soakLate, nil)
			t.call(time.Second, nil)
		}, ""},
		{"a late message", func(t *tally) { t.message(soakLate+time.Millisecond, nil) }, "1 messages, 1 late, 0 lost"},
		{"a lost message", func(t *tally) { t.message(0, errors.New("did not come")) }, "did not come"},
		{"a failed call", func(t *tally) { t.call(0, errors.New("500 INTERNAL")) }, "1 calls, 1 failed"},
		{"a reconnect", func(t *tally) { t.broken-- }, "1 reconnects"},
		{"more faults than are told", func(t *tally) {
			for range 2 * soakFaults {
				t.call(0, errors.New("x"))
			}
		}, "10 failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var progress strings.Builder
			w := &walk{run: &run{cfg: Config{Progress: &progress}}, client: program.Client{Name: "alpha"}}
			seen := w.newTally("in use", &program.Process{})
			tc.saw(seen)
			var c Cell
			err := seen.judge(&c)
			require.NotEmpty(t, c.Note)
			require.LessOrEqual(t, len(seen.faults), soakFaults)
			if tc.want == "" {
				require.NoError(t, err)
				require.Empty(t, progress.String(), "without faults there is nothing to tell before its time")
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestPaceOfASoak(t *testing.T) {
	times := 0
	every(t.Context(), time.Hour, time.Nanosecond, func() { times++ })
	require.Equal(t, 1, times, "once at least, and no pause beyond the end")

	ctx, cancel := context.WithCancel(t.Context())
	times = 0
	every(ctx, time.Hour, 2*time.Hour, func() {
		times++
		cancel()
	})
	require.Equal(t, 1, times, "no pause after the end of the run")
}

func TestFormOfASoak(t *testing.T) {
	names, _ := (&Config{Soak: time.Minute}).Names()
	require.Equal(t, []string{"connect", "login", "settle", "busy", "quiet"}, names)
}
