package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDetail bounds what is printed behind a rule, in characters.
const maxDetail = 240

// Print writes a line a rule, by chapter, and a summary line.
func Print(w io.Writer, rows []Row) error {
	var b strings.Builder
	chapter := ""
	count := map[Status]int{}
	for _, r := range rows {
		if r.Chapter != chapter {
			if chapter != "" {
				b.WriteByte('\n')
			}
			chapter = r.Chapter
			b.WriteString(chapter + "\n")
		}
		count[r.Status]++
		fmt.Fprintf(&b, "  %-9s %s  %s", r.Rule, r.Status, r.Title)
		if r.Detail != "" {
			b.WriteString(" (" + oneLine(r.Detail) + ")")
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n%d rules: %d passed, %d failed, %d skipped\n", len(rows), count[Pass], count[Fail], count[Skip])
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintSummary writes a Markdown table of how many rules of each chapter hold.
func PrintSummary(w io.Writer, rows []Row) error {
	var chapters []string
	counts := map[string]map[Status]int{}
	for _, r := range rows {
		if counts[r.Chapter] == nil {
			chapters = append(chapters, r.Chapter)
			counts[r.Chapter] = map[Status]int{}
		}
		counts[r.Chapter][r.Status]++
	}
	var b strings.Builder
	b.WriteString("| rules | pass | fail | skip |\n|---|---|---|---|\n")
	for _, c := range chapters {
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", c, counts[c][Pass], counts[c][Fail], counts[c][Skip])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine keeps what a server said on its line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if utf8.RuneCountInString(s) > maxDetail {
		return string([]rune(s)[:maxDetail]) + "…"
	}
	return s
}

// PrintJSON writes the rows as one JSON array.
func PrintJSON(w io.Writer, rows []Row) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
