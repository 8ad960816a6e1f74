package promvec

import (
	"os"
	"sync"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/core/prometheus"
)

var whileOff = NewCounter(metric.CounterVecOpts{Namespace: "promvec", Name: "off_total", Help: "Off.", Labels: []string{"a"}})

func TestMain(m *testing.M) {
	whileOff.Inc("x")
	prometheus.Enable()
	os.Exit(m.Run())
}

func TestNothingIsCountedWhilePrometheusIsOff(t *testing.T) {
	require.Empty(t, read(t, "promvec_off_total"))
	whileOff.Inc("x")
	require.Equal(t, []float64{1}, read(t, "promvec_off_total"))
}

// read returns the values of the counters, or the counts of the histograms, of a name.
func read(t *testing.T, name string) (values []float64) {
	t.Helper()
	families, err := prom.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			values = append(values, m.GetCounter().GetValue()+float64(m.GetHistogram().GetSampleCount()))
		}
	}
	return values
}

func TestMembers(t *testing.T) {
	c := NewCounter(metric.CounterVecOpts{Namespace: "promvec", Name: "one_total", Help: "One.", Labels: []string{"a", "b"}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Inc("x", "y")
				c.Add(2, "x", "")
			}
		})
	}
	wg.Wait()
	require.Equal(t, []float64{1600, 800}, read(t, "promvec_one_total"))

	plain := NewCounter(metric.CounterVecOpts{Namespace: "promvec", Name: "two_total", Help: "Two."})
	plain.Inc()
	require.Equal(t, []float64{1}, read(t, "promvec_two_total"))
}

func TestHistogram(t *testing.T) {
	h := NewHistogram(metric.HistogramVecOpts{Namespace: "promvec", Name: "three_ms", Help: "Three.", Labels: []string{"a"}, Buckets: []float64{1, 2}})
	h.Observe(1.5, "x")
	h.Observe(7, "x")
	require.Equal(t, []float64{2}, read(t, "promvec_three_ms"))
}

// What go-zero has made of the same name is the same vector.
func TestFindsWhatIsThere(t *testing.T) {
	labels := []string{"method"}
	there := prom.NewCounterVec(prom.CounterOpts{Namespace: "promvec", Name: "four_total", Help: "Four."}, labels)
	prom.MustRegister(there)
	NewCounter(metric.CounterVecOpts{Namespace: "promvec", Name: "four_total", Help: "Four.", Labels: labels}).Inc("m")
	require.Equal(t, []float64{1}, read(t, "promvec_four_total"))
}
