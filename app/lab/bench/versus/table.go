package versus

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Print writes the table for people.
func Print(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tsession\tfloor\tratio\tmin\tmax\tgoal\t")
	for _, r := range results {
		ratio := spread(r.Ratios())
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", r.Row.Name,
			r.cpuPer10k(r.Session).Median, r.cpuPer10k(r.Floor).Median, ratio.Median, ratio.Min, ratio.Max, r.Row.Goal)
	}
	return t.Flush()
}
