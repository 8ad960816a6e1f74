package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// stream shows rows as they come, and breaks off in good form: as a table, or as
// a JSON object with one list in it.
type stream struct {
	r      *request
	key    string // of the list
	titles []string

	rows   [][]string // not printed yet
	widths []int      // of the columns; nil: nothing is printed yet
	items  int        // in the list
	open   bool       // the object has begun
}

func (r *request) stream(key string, titles []string) *stream {
	return &stream{r: r, key: key, titles: titles}
}

// member is one of the object, after the list.
type member struct {
	name  string
	value any
}

// begun reports whether something was shown.
func (s *stream) begun() bool { return s.open || s.widths != nil }

// add takes a row, and its form in JSON: a message, or what package json writes.
func (s *stream) add(item any, row []string) error {
	if s.r.output != "json" {
		for i := range row {
			row[i] = printable(row[i])
		}
		s.rows = append(s.rows, row)
		return nil
	}
	text, err := asJSON(item)
	if err != nil {
		return err
	}
	s.start()
	separator := ","
	if s.items == 0 {
		separator = ""
	}
	s.items++
	_, err = fmt.Fprintf(s.r.stdout, "%s\n    %s", separator, indented(text, "    "))
	return err
}

func (s *stream) start() {
	if !s.open {
		s.open = true
		fmt.Fprintf(s.r.stdout, "{\n  %q: [", s.key)
	}
}

// flush prints the rows so far. Columns are as wide as the first of them need;
// later ones that need more are out of line.
func (s *stream) flush() error {
	if s.r.output == "json" || s.widths != nil && len(s.rows) == 0 {
		return nil
	}
	if s.widths == nil {
		s.widths = make([]int, len(s.titles))
		s.rows = append([][]string{append([]string{}, s.titles...)}, s.rows...)
		for _, row := range s.rows {
			for i, cell := range row {
				s.widths[i] = max(s.widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var b strings.Builder
	for _, row := range s.rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", max(0, s.widths[i]-utf8.RuneCountInString(cell))+2))
			}
		}
		b.WriteByte('\n')
	}
	s.rows = nil
	_, err := fmt.Fprint(s.r.stdout, b.String())
	return err
}

// end shows the rest and returns failure, why the stream ends too soon. One that
// fails before it has begun shows nothing.
func (s *stream) end(failure error, more ...member) error {
	if failure != nil && !s.begun() && len(s.rows) == 0 {
		return failure
	}
	if s.r.output != "json" {
		if err := s.flush(); err != nil {
			return err
		}
		return failure
	}
	s.start()
	if failure != nil {
		more = append(more, member{"error", describe(failure)})
	}
	closing := "]"
	if s.items > 0 {
		closing = "\n  ]"
	}
	fmt.Fprint(s.r.stdout, closing)
	for _, m := range more {
		text, err := json.Marshal(m.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.r.stdout, ",\n  %q: %s", m.name, indented(text, "  "))
	}
	fmt.Fprintln(s.r.stdout, "\n}")
	return failure
}

func asJSON(item any) ([]byte, error) {
	if m, ok := item.(proto.Message); ok {
		return protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	}
	return json.Marshal(item)
}

// indented is JSON on lines of its own, all but the first behind prefix.
func indented(text []byte, prefix string) string {
	var b bytes.Buffer
	if json.Indent(&b, text, prefix, "  ") != nil {
		return string(text)
	}
	return b.String()
}
