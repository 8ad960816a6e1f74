package bench

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tgsession/tgsession/app/lab/bench/latency"
	"github.com/tgsession/tgsession/app/lab/bench/usage"
)

// results is what the clients have measured so far.
type results struct {
	mu     sync.Mutex
	took   [kinds][]time.Duration
	errors [kinds]int
}

func (r *results) add(k Kind, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took[k] = append(r.took[k], took)
}

func (r *results) fail(k Kind, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors[k] += n
}

// Report is the outcome of a load.
type Report struct {
	Clients int
	Took    time.Duration
	Rows    []Row
	used    usage.Usage
}

// Row is one kind of operation.
type Row struct {
	Kind               Kind
	Count, Errors      int
	P50, P95, P99, Max time.Duration
}

func (r *results) report(c Config, took time.Duration, used usage.Usage) *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &Report{Clients: c.Clients, Took: took, used: used}
	for k := range kinds {
		if c.Mix[k] == 0 {
			continue
		}
		t := r.took[k]
		slices.Sort(t)
		row := Row{Kind: k, Count: len(t), Errors: r.errors[k], P50: latency.Percentile(t, 50), P95: latency.Percentile(t, 95), P99: latency.Percentile(t, 99)}
		if len(t) > 0 {
			row.Max = t[len(t)-1]
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// Operations is how many were done.
func (r *Report) Operations() (n int) {
	for _, row := range r.Rows {
		n += row.Count
	}
	return n
}

// Errors is how many were not, or lost.
func (r *Report) Errors() (n int) {
	for _, row := range r.Rows {
		n += row.Errors
	}
	return n
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	seconds := r.Took.Seconds()
	fmt.Fprintf(w, "%d clients, %s\n\n", r.Clients, r.Took.Round(time.Millisecond))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcount\tper s\terrors\tp50\tp95\tp99\tmax\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%d\t%s\t%s\t%s\t%s\t\n", row.Kind, row.Count, float64(row.Count)/seconds, row.Errors,
			short(row.P50), short(row.P95), short(row.P99), short(row.Max))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	n := float64(max(r.Operations(), 1))
	if r.used.Known {
		_, err := fmt.Fprintf(w, "\nsession: %.2f CPU seconds (%.0f %% of a core); an operation: %s of CPU, %.0f allocations, %.1f KiB\n",
			r.used.CPU.Seconds(), 100*r.used.CPU.Seconds()/seconds, short(time.Duration(float64(r.used.CPU)/n)), r.used.Mallocs/n, r.used.Bytes/n/1024)
		return err
	}
	return nil
}

// short is a time with three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
