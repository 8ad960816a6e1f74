package latency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for p, want := range map[int]time.Duration{50: 50, 95: 95, 99: 99, 100: 100} {
		require.Equal(t, want, Percentile(hundred, p))
	}
	require.EqualValues(t, 7, Percentile([]time.Duration{7}, 50))
	require.Zero(t, Percentile(nil, 99))
}

// Two histograms far apart share an axis.
func TestBounds(t *testing.T) {
	low, high := Histogram([]time.Duration{time.Millisecond}), Histogram([]time.Duration{10 * time.Millisecond})
	bounds := Bounds(low[0].UpTo, high[0].UpTo)
	require.Len(t, bounds, 13)
	require.Equal(t, time.Millisecond, bounds[0])
	require.Equal(t, 10*time.Millisecond, bounds[12])
	require.Contains(t, bounds, Histogram([]time.Duration{3 * time.Millisecond})[0].UpTo)
}

func TestHistogram(t *testing.T) {
	for _, tc := range []struct {
		name  string
		times []time.Duration
		want  []Bucket
	}{
		{"nothing", nil, nil},
		{"below the first bound", []time.Duration{0, time.Microsecond, 10 * time.Microsecond}, []Bucket{{10 * time.Microsecond, 3}}},
		{"a bound belongs to its bucket", []time.Duration{time.Millisecond, time.Millisecond + 1}, []Bucket{{time.Millisecond, 1}, {1211528, 1}}},
		{
			"an empty bucket between",
			[]time.Duration{100 * time.Microsecond, 140 * time.Microsecond},
			[]Bucket{{100 * time.Microsecond, 1}, {121153, 0}, {146780, 1}},
		},
		{"beyond the last bound", []time.Duration{time.Minute}, []Bucket{{10 * time.Second, 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, Histogram(tc.times)) })
	}
}
