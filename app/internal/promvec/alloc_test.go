//go:build !race

// The race detector makes sync.Pool forget.
package promvec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/metric"
)

func TestAllocations(t *testing.T) {
	c := NewCounter(metric.CounterVecOpts{Namespace: "promvec", Name: "five_total", Help: "Five.", Labels: []string{"a", "b"}})
	h := NewHistogram(metric.HistogramVecOpts{Namespace: "promvec", Name: "six_ms", Help: "Six.", Labels: []string{"a"}, Buckets: []float64{1}})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.Inc("x", "y")
		h.Observe(1, "x")
	}))
}
