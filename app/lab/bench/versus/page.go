package versus

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"cpuChart":     cpuChart,
	"latencyChart": latencyChart,
	"short":        short,
	"verdict":      verdict,
	"kib":          func(bytes float64) string { return fmt.Sprintf("%.1f", bytes/1024) },
	"pushes":       func(calls int) int { return calls * pushesAtCall },
	"mul":          func(a, b float64) string { return fmt.Sprintf("%.0f", a*b) },
}).Parse(pageText))

// HTML writes the report as one page that needs nothing beside it.
func (r *Report) HTML(w io.Writer) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("bench: page: %w", err)
	}
	return nil
}

// JSON writes the report for programs. Times are nanoseconds.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
