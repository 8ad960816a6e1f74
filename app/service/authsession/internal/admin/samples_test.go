package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted answers Online from a list.
type counted struct {
	Sessions
	n   int64
	err error
}

func (c *counted) Online(context.Context, time.Duration) (int64, error) {
	c.n++
	return c.n, c.err
}

// What a node keeps of who was online is bounded in number and age, and what it shows
// ends with the newest.
func TestSamplesOfWhoIsOnline(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := &counted{}
	s := &samples{sessions: c, timeout: time.Second, now: func() time.Time { return now }}
	take := func(times int) {
		for range times {
			now = now.Add(sampleEvery)
			s.take(t.Context())
		}
	}
	require.Empty(t, s.list())
	take(3)
	require.Equal(t, []sample{{now.Add(-2 * time.Minute), 1}, {now.Add(-time.Minute), 2}, {now, 3}}, s.list())

	take(samplesShown - 3)
	require.Len(t, s.list(), samplesShown, "each minute")
	take(1)
	shown := s.list()
	require.Len(t, shown, samplesShown/2+1, "every second one")
	require.Equal(t, sample{now, samplesShown + 1}, shown[len(shown)-1])
	require.Equal(t, sample{now.Add(-samplesShown * time.Minute), 1}, shown[0])

	take(5 * samplesKept)
	require.Len(t, s.ring, samplesKept)
	shown = s.list()
	require.Len(t, shown, samplesShown)
	require.Equal(t, now, shown[len(shown)-1].at)
	for i, one := range shown[1:] {
		require.Equal(t, 6*time.Minute, one.at.Sub(shown[i].at))
		require.EqualValues(t, 6, one.count-shown[i].count)
	}

	c.err = errors.New("away")
	take(60)
	require.Len(t, s.ring, samplesKept, "what cannot be counted leaves a gap")
	require.Equal(t, now.Add(-time.Hour), s.list()[len(s.list())-1].at)
	now = now.Add(sampledFor)
	require.Empty(t, s.list(), "old ones are not shown")
	c.err = nil
	take(1)
	require.Equal(t, []sample{{now, c.n}}, s.list())
}

// The overview has them, also while there are none.
func TestTheOverviewHasSamples(t *testing.T) {
	a := serve(t, false, plainTokens)
	_, text := a.must("GET", "/v1/overview", reader(t), "")
	require.Contains(t, text, `"online_samples":[]`)
	a.server.calls.samples.take(t.Context())
	_, text = a.must("GET", "/v1/overview", reader(t), "")
	require.Regexp(t, `"online_samples":\[\{"at":"[^"]+", ?"count":"7"\}\]`, text)
}
