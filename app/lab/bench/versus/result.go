package versus

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/lab/bench/latency"
)

// Report is a whole comparison.
type Report struct {
	Machine    Machine       `json:"machine"`
	Began      time.Time     `json:"began"`
	Pairs      int           `json:"pairs"`
	Operations int           `json:"operations"` // in a measurement of calls
	Callers    int           `json:"callers"`
	Keys       int           `json:"keys"`
	Rows       []RowResult   `json:"rows"`
	Idle       []StateResult `json:"idle,omitempty"`
}

// Machine is where it was measured.
type Machine struct {
	Model string `json:"model"` // of its processor
	Cores int    `json:"cores"` // that may be used
	Go    string `json:"go"`
	OS    string `json:"os"`
}

// RowResult is a row, measured.
type RowResult struct {
	Key        string    `json:"key"`
	Name       string    `json:"name"`
	Goal       float64   `json:"goal"`
	Operations int       `json:"operations"` // in a measurement
	Ratio      Spread    `json:"ratio"`      // session's CPU time in parts of the floor's
	Ratios     []float64 `json:"ratios"`     // pair by pair
	Session    Side      `json:"session"`
	Floor      Side      `json:"floor"`
}

// Side is one of the two.
type Side struct {
	CPU         Spread           `json:"cpu"`          // seconds for 10,000 operations
	CPUs        []float64        `json:"cpus"`         // pair by pair
	Allocations float64          `json:"allocations"`  // of an operation, median
	Bytes       float64          `json:"bytes"`        // that an operation allocates, median
	Packets     float64          `json:"packets"`      // to the gateway, of an operation
	PacketBytes float64          `json:"packet_bytes"` // of a packet
	Lost        int              `json:"lost"`         // operations, in all pairs
	P50         time.Duration    `json:"p50_ns"`
	P99         time.Duration    `json:"p99_ns"`
	Latency     []latency.Bucket `json:"latency"`
}

// StateResult is a state, measured.
type StateResult struct {
	State

	Keys  int     `json:"keys"`
	Value float64 `json:"value"`
}

// Spread is the least, the middle and the most of some values.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// spread is that of values; all zero when there are none.
func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{Min: v[0], Median: (v[(len(v)-1)/2] + v[len(v)/2]) / 2, Max: v[len(v)-1]}
}

// summarise makes a row's result of samples of as many operations each.
func summarise(row Row, operations int, session, floor []Sample) RowResult {
	out := RowResult{
		Key: row.Key, Name: row.Name, Goal: row.Goal, Operations: operations,
		Session: side(operations, session), Floor: side(operations, floor),
	}
	for i, s := range session {
		out.Ratios = append(out.Ratios, float64(s.CPU)/float64(max(floor[i].CPU, 1)))
	}
	out.Ratio = spread(out.Ratios)
	return out
}

func side(operations int, samples []Sample) Side {
	var (
		s               Side
		n               = float64(operations)
		mallocs, sizes  []float64
		packets, length int64
		took            []time.Duration
	)
	for _, sample := range samples {
		s.CPUs = append(s.CPUs, sample.CPU.Seconds()*10_000/n)
		mallocs, sizes = append(mallocs, sample.Mallocs/n), append(sizes, sample.Bytes/n)
		packets, length = packets+sample.Packets, length+sample.PacketLen
		s.Lost += sample.Lost
		took = append(took, sample.Took...)
	}
	slices.Sort(took)
	s.CPU, s.Allocations, s.Bytes = spread(s.CPUs), spread(mallocs).Median, spread(sizes).Median
	s.Packets, s.PacketBytes = float64(packets)/n/float64(max(len(samples), 1)), float64(length)/float64(max(packets, 1))
	s.P50, s.P99, s.Latency = latency.Percentile(took, 50), latency.Percentile(took, 99), latency.Histogram(took)
	return s
}

// Held reports whether the goal was reached.
func (r RowResult) Held() bool { return r.Ratio.Median <= r.Goal }

// Held reports whether the goal was reached, if there is one.
func (s StateResult) Held() bool { return s.Goal == 0 || s.Value <= s.Goal }

// Lost is how many operations had no answer or did not arrive, of both sides.
func (r *Report) Lost() (n int) {
	for _, row := range r.Rows {
		n += row.Session.Lost + row.Floor.Lost
	}
	return n
}

func thisMachine() Machine {
	info, _ := os.ReadFile("/proc/cpuinfo") // no such file: the model stays unknown
	return Machine{Model: model(info), Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
}

// model finds the name of the processor in /proc/cpuinfo.
func model(info []byte) string {
	for lines := bufio.NewScanner(bytes.NewReader(info)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}
