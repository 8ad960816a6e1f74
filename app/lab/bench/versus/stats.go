package versus

import (
	"slices"
	"time"
)

// Spread is the least, the middle and the most of some values.
type Spread struct{ Min, Median, Max float64 }

// spread is that of values; all zero when there are none.
func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{Min: v[0], Median: (v[(len(v)-1)/2] + v[len(v)/2]) / 2, Max: v[len(v)-1]}
}

// of takes one value from each sample.
func of(samples []Sample, value func(Sample) float64) Spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return spread(values)
}

// Ratios are session's CPU time in parts of the floor's, pair by pair.
func (r *Result) Ratios() []float64 {
	out := make([]float64, 0, len(r.Session))
	for i := range min(len(r.Session), len(r.Floor)) {
		if f := r.Floor[i].CPU; f > 0 {
			out = append(out, float64(r.Session[i].CPU)/float64(f))
		}
	}
	return out
}

// cpuPer10k is the CPU seconds for 10,000 operations.
func (r *Result) cpuPer10k(samples []Sample) Spread {
	return of(samples, func(s Sample) float64 { return s.CPU.Seconds() * 10_000 / float64(r.Operations) })
}

// latencies are those of all samples, sorted.
func latencies(samples []Sample) (all []time.Duration) {
	for _, s := range samples {
		all = append(all, s.Took...)
	}
	slices.Sort(all)
	return all
}

// percentile is the time that p of a hundred do not exceed, 0 of none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*p+99)/100-1]
}
