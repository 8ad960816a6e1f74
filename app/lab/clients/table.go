package clients

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// Mark is the verdict of a cell.
type Mark string

// The verdicts.
const (
	OK   Mark = "ok"
	Fail Mark = "FAIL"
	None Mark = "–" // the client has no such thing
	Past Mark = "·" // not reached: a step before it failed
)

// Cell is what came out of one step of one client.
type Cell struct {
	Mark Mark
	// Took is the time that the step is about, or that passed until it failed.
	Took time.Duration
	// Note is why there is another verdict than OK, or something worth
	// knowing beside it.
	Note string
}

func (c Cell) String() string {
	switch c.Mark {
	case OK:
		return fmt.Sprintf("%d", c.Took.Milliseconds())
	case "":
		return string(Past)
	default:
		return string(c.Mark)
	}
}

// maxNote bounds what a table shows of a note, in characters.
const maxNote = 300

// Table is what came out of a run: a row a step, a column a client. It is safe
// for concurrent use.
type Table struct {
	steps, about []string // names of all steps, and what they are about

	mu      sync.Mutex
	clients []string
	skipped map[string]string          // reasons by client
	cells   map[string]map[string]Cell // by client and step
}

func newTable(steps, about []string) *Table {
	return &Table{steps: steps, about: about, skipped: map[string]string{}, cells: map[string]map[string]Cell{}}
}

func (t *Table) add(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients = append(t.clients, client)
	t.cells[client] = map[string]Cell{}
}

func (t *Table) skip(client, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped[client] = why
}

func (t *Table) set(client, step string, c Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cells[client][step] = c
}

func (t *Table) cell(client, step string) (Cell, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.cells[client][step]
	return c, ok
}

// Failed counts the cells that failed.
func (t *Table) Failed() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, cells := range t.cells {
		for _, c := range cells {
			if c.Mark == Fail {
				n++
			}
		}
	}
	return n
}

// walked are the clients that were not skipped.
func (t *Table) walked() []string {
	return slices.DeleteFunc(slices.Clone(t.clients), func(c string) bool { return t.skipped[c] != "" })
}

// rows are the steps that have a cell.
func (t *Table) rows() (rows [][]string) {
	for i, name := range t.steps {
		row, any := []string{t.about[i]}, false
		for _, client := range t.walked() {
			c, ok := t.cell(client, name)
			any = any || ok
			if !ok {
				row = append(row, "")
				continue
			}
			row = append(row, c.String())
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}

// notes are the notes of all cells with a verdict, each as client, step, note.
func (t *Table) notes(m Mark) (notes [][3]string) {
	for _, client := range t.walked() {
		for i, name := range t.steps {
			if c, ok := t.cell(client, name); ok && c.Mark == m && c.Note != "" {
				notes = append(notes, [3]string{client, t.about[i], oneLine(c.Note)})
			}
		}
	}
	return notes
}

// oneLine makes a note fit into a table.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxNote {
		s = string([]rune(s)[:maxNote]) + "…"
	}
	return s
}

// Print writes the table for a terminal: times in milliseconds, and below it
// the notes.
func (t *Table) Print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "times in ms\t%s\n", strings.Join(t.walked(), "\t"))
	for _, row := range t.rows() {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	for _, part := range []struct {
		mark  Mark
		title string
	}{{Fail, "Failures"}, {None, "Not to be had"}, {OK, "Notes"}} {
		notes := t.notes(part.mark)
		if len(notes) > 0 {
			fmt.Fprintf(out, "\n%s:\n", part.title)
		}
		for _, n := range notes {
			fmt.Fprintf(out, "  %s, %s: %s\n", n[0], n[1], n[2])
		}
	}
	for _, c := range t.clients {
		if why := t.skipped[c]; why != "" {
			fmt.Fprintf(out, "\n%s was skipped: %s\n", c, why)
		}
	}
}

// summed are the steps that a summary shows: those that tell clients apart.
var summed = []string{"login", "calls", "files", "cut", "term", "kill", "ended"}

// passed tells how many of a client's steps were passed, of those that are not
// beyond its library.
func (t *Table) passed(client string) string {
	ok, all := 0, 0
	for _, name := range t.steps {
		if c, taken := t.cell(client, name); taken && c.Mark != None {
			if all++; c.Mark == OK {
				ok++
			}
		}
	}
	return fmt.Sprintf("%d of %d", ok, all)
}

// Markdown writes two tables as Markdown: a summary, a row a client, and all
// times, a row a step. Below them is what failed and what is not to be had.
func (t *Table) Markdown(out io.Writer) {
	cell := strings.NewReplacer("|", "\\|")
	line := func(cells []string) {
		for i, c := range cells {
			cells[i] = cell.Replace(c)
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
	}
	title := []string{"ms", "steps passed"}
	for i, name := range t.steps {
		if slices.Contains(summed, name) {
			title = append(title, t.about[i])
		}
	}
	line(title)
	fmt.Fprintf(out, "|%s\n", strings.Repeat("---|", len(title)))
	walked := t.walked()
	for _, client := range walked {
		row := []string{client, t.passed(client)}
		for _, name := range t.steps {
			if slices.Contains(summed, name) {
				c, _ := t.cell(client, name)
				row = append(row, c.String())
			}
		}
		line(row)
	}
	fmt.Fprintln(out)
	line(append([]string{"ms"}, walked...))
	fmt.Fprintf(out, "|---|%s\n", strings.Repeat("---|", len(walked)))
	for _, row := range t.rows() {
		line(row)
	}
	for _, m := range []Mark{Fail, None} {
		notes := t.notes(m)
		if len(notes) > 0 {
			fmt.Fprintln(out)
		}
		for _, n := range notes {
			fmt.Fprintf(out, "- %s %s, %s: %s\n", m, n[0], n[1], n[2])
		}
	}
	for _, c := range t.clients {
		if why := t.skipped[c]; why != "" {
			fmt.Fprintf(out, "\n%s was skipped: %s\n", c, why)
		}
	}
}
