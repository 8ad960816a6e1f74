// Package promvec is go-zero's metrics (core/metric) for hot paths: the same names,
// labels and switch, but what is known of a combination of labels is found without an
// allocation.
package promvec

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/core/prometheus"
)

// mostLabels is how many labels a metric may have.
const mostLabels = 2

// labels is a combination, with empty strings at the end.
type labels [mostLabels]string

func combine(values []string) (l labels) {
	if len(values) > mostLabels {
		panic("promvec: too many labels") // a defect of ours
	}
	copy(l[:], values)
	return l
}

// members are those of a vector that have been used.
type members[M any] struct {
	known atomic.Pointer[map[labels]M] // never changed, but replaced
	mu    sync.Mutex
}

func (m *members[M]) get(l labels, n int, find func(...string) M) M {
	if known := m.known.Load(); known != nil {
		if found, ok := (*known)[l]; ok {
			return found
		}
	}
	return m.add(l, n, find)
}

func (m *members[M]) add(l labels, n int, find func(...string) M) M {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[labels]M{}
	if known := m.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	found := find(l[:n]...)
	next[l] = found
	m.known.Store(&next)
	return found
}

// Counter is a vector of counters. It is safe for concurrent use.
type Counter struct {
	vec     *prom.CounterVec
	members members[prom.Counter]
}

// NewCounter makes a vector of counters, or finds the one of that name.
func NewCounter(o metric.CounterVecOpts) *Counter {
	return &Counter{vec: register(prom.NewCounterVec(prom.CounterOpts{
		Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help,
	}, o.Labels))}
}

// Inc adds one to the counter with the labels.
func (c *Counter) Inc(values ...string) { c.Add(1, values...) }

// Add adds v to the counter with the labels, which is not negative.
func (c *Counter) Add(v float64, values ...string) {
	if prometheus.Enabled() {
		c.members.get(combine(values), len(values), c.vec.WithLabelValues).Add(v)
	}
}

// Histogram is a vector of histograms. It is safe for concurrent use.
type Histogram struct {
	vec     *prom.HistogramVec
	members members[prom.Observer]
}

// NewHistogram makes a vector of histograms, or finds the one of that name.
func NewHistogram(o metric.HistogramVecOpts) *Histogram {
	return &Histogram{vec: register(prom.NewHistogramVec(prom.HistogramOpts{
		Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help, Buckets: o.Buckets,
	}, o.Labels))}
}

// Observe adds v to the histogram with the labels.
func (h *Histogram) Observe(v float64, values ...string) {
	if prometheus.Enabled() {
		h.members.get(combine(values), len(values), h.vec.WithLabelValues).Observe(v)
	}
}

// register registers c, or returns what has its name and labels already.
func register[C prom.Collector](c C) C {
	err := prom.Register(c)
	there := prom.AlreadyRegisteredError{}
	if errors.As(err, &there) {
		return there.ExistingCollector.(C)
	}
	if err != nil {
		panic(err) // as go-zero does: a defect of ours
	}
	return c
}
