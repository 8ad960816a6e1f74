package keytable

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Page returns the rows as a table in Markdown, and behind it one of the keys that
// blocks stand for. v is a pointer to the struct.
func (t Table) Page(v any) string {
	var b, others strings.Builder
	b.WriteString("| Key | Default | Range | Reload | Meaning |\n|---|---|---|---|---|\n")
	all := leaves(reflect.TypeOf(v).Elem(), "")
	for _, row := range t {
		if row.Doc == "" {
			continue // a secret of a peer: the block's text holds
		}
		var at leaf
		for _, l := range all {
			if l.key == row.Key {
				at = l
			}
		}
		if row.Block {
			fmt.Fprintf(&b, "| `%s` | | | | %s |\n", row.Key, row.Doc)
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row.Key, row.byDefault(at.field), row.bounds(at.field), row.reload(), row.meaning(at.field))
	}
	others.WriteString("\n")
	for _, row := range t {
		if !row.Block {
			continue
		}
		var keys []string
		for _, l := range all {
			own, _ := t.row(l.key)
			if block, ok := t.block(l.key); ok && block.Key == row.Key && own.Doc == "" {
				short := strings.TrimPrefix(strings.TrimPrefix(l.key, row.Key), "[]")
				keys = append(keys, "`"+strings.TrimPrefix(short, ".")+"`"+beside(l.field, own.Secret))
			}
		}
		if len(keys) > 0 {
			fmt.Fprintf(&others, "- `%s`: %s\n", row.Key, strings.Join(keys, ", "))
		}
	}
	return b.String() + others.String()
}

// beside is the default of a key of go-zero's, in brackets, and whether it is secret.
func beside(f reflect.StructField, secret bool) string {
	if secret {
		return " (secret)"
	}
	if value, found := option(f, "default"); found {
		return " (" + value + ")"
	}
	return ""
}

// byDefault is what holds where the file says nothing.
func (r Row) byDefault(f reflect.StructField) string {
	if r.Absent != "" {
		return r.Absent
	}
	if r.Default != nil {
		return "`" + readable(r.Default, r.Unit) + "`"
	}
	value, found := option(f, "default")
	_, isOptional := option(f, "optional")
	switch {
	case found:
		return "`" + value + "`"
	case !isOptional && f.Type.Kind() != reflect.Map:
		return "required"
	case f.Type.Kind() == reflect.Bool:
		return "`false`"
	}
	return "none"
}

// bounds is what a value may be, with its unit.
func (r Row) bounds(f reflect.StructField) string {
	words := r.allowed()
	if options, found := option(f, "options"); words == "" && found {
		words = "one of " + strings.NewReplacer("|", ", ", "[", "", "]", "", ",", ", ").Replace(options)
	}
	if limits, found := option(f, "range"); words == "" && found {
		low, high, _ := strings.Cut(strings.Trim(limits, "[]()"), ":")
		words = low + " to " + high
		if strings.HasSuffix(limits, ")") {
			words = low + " to below " + high
		}
	}
	if r.Min != nil && r.Unit == "bytes" {
		words = readable(r.Min, r.Unit) + " to " + readable(r.Max, r.Unit)
	}
	if r.Unit != "" && r.Unit != "bytes" {
		words = strings.TrimSpace(words + " " + r.Unit)
	}
	return words
}

// meaning is the row's text, and where else a secret may stand.
func (r Row) meaning(f reflect.StructField) string {
	if r.Secret && f.Type.Kind() == reflect.String {
		return r.Doc + " Secret: the file that holds it may be named instead, as `" + r.Key + "File`."
	}
	return r.Doc
}

// readable is a value as people write it: bytes in KiB and MiB.
func readable(v any, unit string) string {
	if unit == "bytes" && v != nil {
		n := int64(number(v))
		for _, of := range []struct {
			size int64
			name string
		}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
			if n >= of.size && n%(of.size/2) == 0 {
				return fmt.Sprintf("%g %s", float64(n)/float64(of.size), of.name)
			}
		}
	}
	return text(v)
}

func (r Row) reload() string {
	switch r.Reload {
	case Live:
		return "yes"
	case File:
		return "its content"
	}
	return ""
}

// Section returns the file at path with the part between the lines "<!-- begin NAME -->"
// and "<!-- end NAME -->" replaced by page, and whether that changes the file. An error
// says that the file has no such lines.
func Section(path, name, page string) (content string, stale bool, err error) {
	old, err := os.ReadFile(path)
	if err != nil {
		return "", false, fmt.Errorf("page: %w", err)
	}
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->\n"
	before, rest, found := strings.Cut(string(old), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", false, fmt.Errorf("%s has no lines %q and %q", path, begin, end)
	}
	content = before + begin + page + end + after
	return content, content != string(old), nil
}
