package versus

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// someReport is a report with everything in it.
func someReport() *Report {
	took := func(from time.Duration) (out []time.Duration) {
		for i := range 200 {
			out = append(out, from+time.Duration(i*i)*from/4000)
		}
		return out
	}
	sample := func(cpu, mallocs float64, from time.Duration) Sample {
		return Sample{
			CPU: time.Duration(cpu * float64(time.Second)), Mallocs: mallocs * 200, Bytes: mallocs * 200 * 70,
			Packets: 200, PacketLen: 200 * 52, Took: took(from),
		}
	}
	rows := Rows()
	held := summarise(rows[1], 200,
		[]Sample{sample(0.011, 150, time.Millisecond), sample(0.013, 151, time.Millisecond), sample(0.010, 152, 2*time.Millisecond)},
		[]Sample{sample(0.010, 120, time.Millisecond), sample(0.011, 120, time.Millisecond), sample(0.010, 119, time.Millisecond)})
	missed := summarise(rows[4], 200,
		[]Sample{sample(0.004, 45, 400*time.Microsecond), sample(0.005, 45, 500*time.Microsecond)},
		[]Sample{sample(0.001, 32, 100*time.Microsecond), sample(0.002, 32, 100*time.Microsecond)})
	missed.Session.Lost = 3
	return &Report{
		Machine: Machine{Model: "A Processor <3 GHz>", Cores: 2, Go: "go1.26", OS: "linux/amd64"},
		Began:   time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Pairs:   3, Operations: 200, Callers: 64, Keys: 1000,
		Rows: []RowResult{held, missed},
		Idle: []StateResult{
			{State: States()[0], Keys: 50_000, Value: 1.875},
			{State: States()[1], Keys: 10_000, Value: 0.41},
			{State: States()[2], Keys: 10_000, Value: 2.5},
		},
	}
}

func TestReport(t *testing.T) {
	r := someReport()
	for name, write := range map[string]func(io.Writer) error{"report.txt": r.Print, "report.json": r.JSON, "report.html": r.HTML} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, write(&got))
			golden := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

// The page needs nothing beside it, and what a machine calls itself is text.
func TestPageIsOneFile(t *testing.T) {
	var got bytes.Buffer
	require.NoError(t, someReport().HTML(&got))
	for _, outside := range []string{"<script", "src=", "href=", "url(", "@import", "http"} {
		require.NotContains(t, got.String(), outside)
	}
	require.Contains(t, got.String(), "A Processor &lt;3 GHz&gt;")
}

// A report of one part only, as --rows makes it, has no empty tables.
func TestReportOfAPart(t *testing.T) {
	for name, change := range map[string]func(*Report){
		"rows":       func(r *Report) { r.Idle = nil },
		"idle keys":  func(r *Report) { r.Rows = nil },
		"no latency": func(r *Report) { r.Rows[0].Session.Latency, r.Rows[0].Floor.Latency = nil, nil },
		"no pair":    func(r *Report) { r.Rows[0] = summarise(Rows()[0], 200, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := someReport()
			change(r)
			var text, html bytes.Buffer
			require.NoError(t, r.Print(&text))
			require.NoError(t, r.HTML(&html))
			require.Equal(t, len(r.Idle) > 0, strings.Contains(text.String(), "Keys that do nothing"))
			require.Equal(t, len(r.Rows) > 0, strings.Contains(text.String(), "CPU seconds"))
			require.NotContains(t, html.String(), "NaN")
			require.NotContains(t, html.String(), "Inf")
		})
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"none", nil, Spread{}},
		{"one", []float64{2}, Spread{2, 2, 2}},
		{"odd", []float64{3, 1, 8}, Spread{1, 3, 8}},
		{"even", []float64{4, 1, 2, 10}, Spread{1, 3, 10}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, spread(tc.values)) })
	}
}

func TestSummary(t *testing.T) {
	sample := func(cpu time.Duration, mallocs, bytes float64, lost int, took ...time.Duration) Sample {
		return Sample{CPU: cpu, Mallocs: mallocs, Bytes: bytes, Lost: lost, Packets: 4, PacketLen: 200, Took: took}
	}
	r := summarise(Row{Key: "k", Name: "n", Goal: 2}, 4,
		[]Sample{sample(4*time.Millisecond, 40, 4096, 1, 3, 1, 2), sample(12*time.Millisecond, 80, 8192, 0, 4, 5, 6, 7)},
		[]Sample{sample(2*time.Millisecond, 8, 400, 0), sample(4*time.Millisecond, 8, 400, 0)})
	require.Equal(t, []float64{2, 3}, r.Ratios, "pair by pair, not the ratio of the medians")
	require.Equal(t, Spread{2, 2.5, 3}, r.Ratio)
	require.Equal(t, []float64{10, 30}, r.Session.CPUs, "for 10,000 operations")
	require.InDelta(t, 15, r.Session.Allocations, 1e-9)
	require.InDelta(t, 1536, r.Session.Bytes, 1e-9)
	require.InDelta(t, 1, r.Session.Packets, 1e-9)
	require.InDelta(t, 50, r.Session.PacketBytes, 1e-9)
	require.EqualValues(t, 4, r.Session.P50)
	require.EqualValues(t, 7, r.Session.P99)
	require.Equal(t, 1, r.Session.Lost)
	require.False(t, r.Held())
	require.Equal(t, 1, (&Report{Rows: []RowResult{r}}).Lost())
}

func TestShortFormFailsOnWhatIsSlower(t *testing.T) {
	report := func(least, median float64) *Report {
		return &Report{Rows: []RowResult{{Key: "call", Name: "a call", Ratio: Spread{Min: least, Median: median, Max: 9}}}}
	}
	known := map[string]float64{"call": 2}
	for _, tc := range []struct {
		name          string
		least, median float64
		known         map[string]float64
		err           string
	}{
		{"as documented", 1.9, 2, known, ""},
		{"a pair was disturbed", 2.9, 6, known, ""},
		{"slower in each pair", 3, 3.1, known, "a call: session costs 3.00 times the floor, documented are 2.00, 3.00 is too much"},
		{"not documented", 1, 1, nil, "call: documented.json has no ratio"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := report(tc.least, tc.median).Compare(tc.known)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tc.err)
			}
		})
	}
}

// What is documented is about rows that exist, and about all of them.
func TestDocumented(t *testing.T) {
	documented, err := Documented()
	require.NoError(t, err)
	rows := Rows()
	require.Len(t, documented, len(rows))
	for _, row := range rows {
		require.Positive(t, documented[row.Key], row.Key)
	}
	for _, key := range ShortRows {
		require.Len(t, named(key), 1)
	}
}

func TestRoundStep(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 0.03: 0.05, 0.1: 0.1, 0.11: 0.2, 1: 1, 3: 5, 7: 10, 20: 20, 201: 500} {
		require.InEpsilon(t, want, roundStep(v), 1e-9, "%g", v)
	}
}

func TestMachine(t *testing.T) {
	require.Equal(t, "Some CPU @ 2", model([]byte("processor\t: 0\nmodel name\t: Some CPU @ 2\nmodel name\t: other\n")))
	require.Equal(t, "an unknown processor", model(nil))
	rss, err := parseResident("Name:\tx\nVmRSS:\t    2048 kB\n")
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, rss)
	for _, text := range []string{"", "VmRSS:\tmuch kB\n"} {
		_, err := parseResident(text)
		require.ErrorContains(t, err, "VmRSS")
	}
	var profile bytes.Buffer
	require.NoError(t, pprof.Lookup("heap").WriteTo(&profile, 1))
	free, err := parseFree(profile.String())
	require.NoError(t, err)
	require.GreaterOrEqual(t, free, int64(0))
	for _, text := range []string{"", "# HeapIdle = 5\n"} {
		_, err := parseFree(text)
		require.ErrorContains(t, err, "Heap")
	}
}
