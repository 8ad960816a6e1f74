// Package latency sums up how long operations took.
package latency

import (
	"math"
	"time"
)

// Percentile is the time that p of a hundred do not exceed, 0 of none. The times
// are sorted.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*p+99)/100-1]
}

// Bucket is how many operations took longer than the bucket before says, and no
// longer than UpTo.
type Bucket struct {
	UpTo  time.Duration
	Count int
}

// Buckets from 10 µs to 10 s, each 10^(1/12) times as wide as the one before: a
// percentile that is twice another is three or four bars away.
const (
	first   = 10 * time.Microsecond
	decades = 6
	each    = 12
)

// Histogram counts times by buckets, from the first to the last that holds any.
// What is beyond an end is in the bucket there.
func Histogram(times []time.Duration) []Bucket {
	if len(times) == 0 {
		return nil
	}
	counts := make([]int, decades*each+1)
	low, high := len(counts), 0
	for _, t := range times {
		i := index(t)
		counts[i]++
		low, high = min(low, i), max(high, i)
	}
	out := make([]Bucket, 0, high-low+1)
	for i := low; i <= high; i++ {
		out = append(out, Bucket{UpTo: bound(i), Count: counts[i]})
	}
	return out
}

// Bounds are those of the buckets from one time to another, without a gap.
func Bounds(from, to time.Duration) (out []time.Duration) {
	for i := index(from); i <= index(to); i++ {
		out = append(out, bound(i))
	}
	return out
}

// index is the bucket of a time.
func index(t time.Duration) int {
	if t <= first {
		return 0
	}
	// The bound is rounded to nanoseconds; a time that is one belongs below it.
	i := int(math.Ceil(math.Log10(float64(t)/float64(first))*each - 1e-9))
	return min(i, decades*each)
}

// bound is the longest time of a bucket.
func bound(i int) time.Duration {
	return time.Duration(math.Round(float64(first) * math.Pow(10, float64(i)/each)))
}
