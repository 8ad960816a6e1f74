package chaos

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/chaos/plan"
)

// maxProblems bounds how many problems are printed; all are counted.
const maxProblems = 40

// maxLate bounds how many late messages are printed.
const maxLate = 10

// wanted tells whether a fault has one of some parts in its name.
func wanted(t plan.Type, parts []string) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool {
		return strings.Contains(strings.ToLower(t.String()), strings.ToLower(p))
	})
}

// panicking are the lines of a Go program's output that tell of its end by a
// panic or of a race.
func panicking(text string) (lines []string) {
	for line := range strings.Lines(text) {
		for _, begin := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} {
			if strings.HasPrefix(line, begin) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// Print prints the table, what was wrong, and the verdict.
func (r *Result) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "fault\ttimes\tmessages\tfailed\tlost\ttwice\tdoubled\tagain\ttold p50\tp99\tslowest\trecovered\thow\t")
	total := &check.Row{Fault: "all", How: map[check.How]int{}}
	for _, row := range r.Rows {
		line(t, row)
		total.Times += row.Times
		total.Messages += row.Messages
		total.Failed += row.Failed
		total.Lost += row.Lost
		total.Twice += row.Twice
		total.Doubled += row.Doubled
		total.Again += row.Again
		total.Told = append(total.Told, row.Told...)
		total.Recovered = max(total.Recovered, row.Recovered)
		total.Unwell = total.Unwell || row.Unwell
		for how, n := range row.How {
			total.How[how] += n
		}
	}
	slices.Sort(total.Told)
	line(t, total)
	_ = t.Flush()
	fmt.Fprint(w, legend)
	for _, s := range r.Skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
	for i, p := range r.Problems {
		if i == maxProblems {
			fmt.Fprintf(w, "and %d more\n", len(r.Problems)-i)
			break
		}
		fmt.Fprintln(w, p)
	}
	for i, l := range r.Late {
		if i == maxLate {
			fmt.Fprintf(w, "and %d more that were late\n", len(r.Late)-i)
			break
		}
		fmt.Fprintln(w, "late:", l)
	}
	for _, p := range r.Panics {
		fmt.Fprintln(w, "a part has panicked:", p)
	}
	verdict := "everything held"
	if !r.OK() {
		verdict = "NOT everything held"
	}
	fmt.Fprintf(w, "%s: %d messages, %d lost, %d seen twice or out of order, %d calls carried out twice\n",
		verdict, total.Messages, total.Lost, total.Twice, total.Doubled)
}

const legend = `
messages   that the BFF has taken          failed     calls whose sender does not know whether they were
lost       not seen within 90 s            twice      seen twice, or out of order
doubled    carried out twice in a session  again      sent again by the client, see docs/chaos.md
told       from taken to seen              recovered  until calls of all were well again (*: not before the next fault)

`

func line(w io.Writer, r *check.Row) {
	mark := ""
	if r.Unwell {
		mark = "*"
	}
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s%s\t%s\t\n",
		r.Fault, r.Times, r.Messages, r.Failed, r.Lost, r.Twice, r.Doubled, r.Again,
		short(r.Percentile(0.5)), short(r.Percentile(0.99)), short(r.Percentile(1)), short(r.Recovered), mark, ways(r.How))
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// ways lists how messages came, the most frequent first.
func ways(how map[check.How]int) string {
	kinds := slices.SortedFunc(maps.Keys(how), func(a, b check.How) int {
		return cmp.Or(cmp.Compare(how[b], how[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, k := range kinds {
		out = append(out, fmt.Sprintf("%s %d", k, how[k]))
	}
	return strings.Join(out, ", ")
}
