package versus

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s; %d callers, %d keys, %d pairs of %d calls or %d pushes each\n", r.Machine, r.Callers, r.Keys, r.Pairs, r.Operations, r.Operations*pushesAtCall)
	if len(r.Rows) > 0 {
		if err := r.printCosts(w); err != nil {
			return err
		}
		if err := r.printDetails(w); err != nil {
			return err
		}
	}
	if len(r.Idle) == 0 {
		return nil
	}
	fmt.Fprint(w, "\nKeys that do nothing:\n\n")
	t := columns(w)
	fmt.Fprintln(t, "keys\tmeasured\tgoal\t\t")
	for _, s := range r.Idle {
		goal, held := "", ""
		if s.Goal > 0 {
			goal, held = fmt.Sprintf("%.2f", s.Goal), verdict(s.Held())
		}
		fmt.Fprintf(t, "%d\t%.2f %s\t%s\t%s\t  %s\n", s.Keys, s.Value, s.Unit, goal, held, s.Name)
	}
	return t.Flush()
}

func (r *Report) printCosts(w io.Writer) error {
	fmt.Fprint(w, "\nCPU seconds of the process for 10,000 operations, median of the pairs:\n\n")
	t := columns(w)
	fmt.Fprintln(t, "session\tfloor\tratio\tmin\tmax\tgoal\t\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%.3f\t%.3f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t  %s\n", row.Session.CPU.Median, row.Floor.CPU.Median,
			row.Ratio.Median, row.Ratio.Min, row.Ratio.Max, row.Goal, verdict(row.Held()), row.Name)
	}
	return t.Flush()
}

func (r *Report) printDetails(w io.Writer) error {
	fmt.Fprint(w, "\nOf an operation, session and floor:\n\n")
	t := columns(w)
	fmt.Fprintln(t, "allocations\t\tKiB\t\tp50\t\tp99\t\tbytes out\t\tlost\t\t")
	for _, row := range r.Rows {
		a, b := row.Session, row.Floor
		fmt.Fprintf(t, "%.0f\t%.0f\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%d\t%d\t  %s\n", a.Allocations, b.Allocations, a.Bytes/1024, b.Bytes/1024,
			short(a.P50), short(b.P50), short(a.P99), short(b.P99), a.Packets*a.PacketBytes, b.Packets*b.PacketBytes, a.Lost, b.Lost, row.Name)
	}
	return t.Flush()
}

// columns aligns numbers to the right; the name of a row, which is behind the last
// one, ends where it ends.
func columns(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// String is the machine in words.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s %s", m.Model, m.Cores, m.Go, m.OS)
}

func verdict(held bool) string {
	if held {
		return "held"
	}
	return "missed"
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
