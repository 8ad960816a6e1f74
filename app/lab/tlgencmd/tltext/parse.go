package tltext

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Limits that no real schema comes near: they keep a wrong file from being taken for one.
const (
	maxText  = 16 << 20 // bytes of a file
	maxWords = 512      // of a definition
	maxLayer = 1 << 16
)

var (
	layerComment = regexp.MustCompile(`(?i)^\s*layer:?\s+([0-9]{1,5})\s*$`)

	head    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)?)(?:#([0-9a-fA-F]{1,8}))?$`)
	generic = regexp.MustCompile(`^\{([A-Za-z][A-Za-z0-9_]*):Type\}$`)
	param   = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*):(#|(?:[A-Za-z_][A-Za-z0-9_]*\.[0-9]{1,2}\?)?([!%A-Za-z].*))$`)

	typeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)?$`)
)

// Parse reads a schema. Errors begin with the line.
func Parse(text []byte) (*Schema, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("line 1: more than %d MiB", maxText>>20)
	}
	p := parser{schema: &Schema{}}
	line := 0
	for raw := range strings.Lines(string(text)) {
		line++
		if err := p.line(line, strings.TrimRight(raw, "\r\n")); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	switch {
	case p.inside:
		return nil, fmt.Errorf("line %d: comment does not end", line)
	case len(p.words) > 0:
		return nil, fmt.Errorf("line %d: definition does not end", p.start)
	}
	return p.schema, nil
}

type parser struct {
	schema  *Schema
	methods bool
	inside  bool     // of a /* comment
	words   []string // of the definition being read
	start   int      // its first line
}

func (p *parser) line(n int, s string) error {
	s, err := p.uncomment(s)
	if err != nil {
		return err
	}
	if word := strings.TrimSpace(s); strings.HasPrefix(word, "---") {
		if len(p.words) > 0 {
			return errors.New("a section begins inside a definition")
		}
		switch word {
		case "---types---":
			p.methods = false
		case "---functions---":
			p.methods = true
		default:
			return fmt.Errorf("no section %q", word)
		}
		return nil
	}
	for {
		before, rest, end := strings.Cut(s, ";")
		if fields := strings.Fields(before); len(fields) > 0 {
			if len(p.words) == 0 {
				p.start = n
			}
			if p.words = append(p.words, fields...); len(p.words) > maxWords {
				return fmt.Errorf("a definition of more than %d words", maxWords)
			}
		}
		if !end {
			return nil
		}
		if err := p.definition(); err != nil {
			return err
		}
		p.words, s = nil, rest
	}
}

// uncomment blanks comments and reads the layer from them.
func (p *parser) uncomment(s string) (string, error) {
	var out strings.Builder
	for s != "" {
		if p.inside {
			_, rest, end := strings.Cut(s, "*/")
			if !end {
				return out.String(), nil
			}
			p.inside, s = false, rest
			continue
		}
		i := strings.IndexByte(s, '/')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		switch {
		case strings.HasPrefix(s[i:], "//"):
			return out.String(), p.layer(s[i+2:])
		case strings.HasPrefix(s[i:], "/*"):
			p.inside, s = true, s[i+2:]
			out.WriteByte(' ')
		default:
			return "", errors.New("a / that begins no comment")
		}
	}
	out.WriteString(s)
	return out.String(), nil
}

func (p *parser) layer(comment string) error {
	m := layerComment.FindStringSubmatch(comment)
	if m == nil {
		return nil
	}
	n, _ := strconv.Atoi(m[1]) // at most five digits
	if n == 0 || n > maxLayer {
		return fmt.Errorf("no layer %d", n)
	}
	if p.schema.Layer != 0 && p.schema.Layer != n {
		return fmt.Errorf("layer %d in a file of layer %d", n, p.schema.Layer)
	}
	p.schema.Layer = n
	return nil
}

func (p *parser) definition() error {
	if len(p.words) == 0 {
		return errors.New("an empty definition")
	}
	d := Definition{Line: p.start, Method: p.methods}
	m := head.FindStringSubmatch(p.words[0])
	if m == nil {
		return fmt.Errorf("want name#id, have %q", p.words[0])
	}
	d.Name, d.Given = m[1], m[2] != ""
	words := p.words[1:]
	d.Sum = d.sum(words)
	if d.ID = d.Sum; d.Given {
		id, _ := strconv.ParseUint(m[2], 16, 32) // at most eight hex digits
		d.ID = uint32(id)
	}
	eq := -1
	for i, w := range words {
		if w == "=" {
			eq = i
			break
		}
	}
	if eq < 0 {
		return fmt.Errorf("%s: no = Type", d.Name)
	}
	if err := d.left(words[:eq]); err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	if err := d.right(words[eq+1:]); err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	p.schema.Definitions = append(p.schema.Definitions, d)
	return nil
}

// left reads what stands before the equals sign.
func (d *Definition) left(words []string) error {
	for _, w := range words {
		if d.Builtin = d.Builtin || w == "?" || strings.HasSuffix(w, "["); d.Builtin {
			d.Params = nil
			return nil
		}
		if m := generic.FindStringSubmatch(w); m != nil {
			if len(d.Params) > 0 {
				return fmt.Errorf("%s behind a parameter", w)
			}
			d.Generic = append(d.Generic, m[1])
			continue
		}
		if w == "#" { // the count of vector {t:Type} # [ t ], which a [ follows
			continue
		}
		m := param.FindStringSubmatch(w)
		if m == nil {
			return fmt.Errorf("want name:type, have %q", w)
		}
		if m[3] != "" && !isType(m[3], 0) {
			return fmt.Errorf("%s: no type %q", m[1], m[3])
		}
		for _, other := range d.Params {
			if other.Name == m[1] {
				return fmt.Errorf("two parameters %s", m[1])
			}
		}
		d.Params = append(d.Params, Param{Name: m[1], Type: m[2]})
	}
	if !d.Builtin && len(d.Params) < len(words)-len(d.Generic) {
		return errors.New("a # without a name")
	}
	return nil
}

// right reads the type: one word, or "Vector t", which is the same as Vector<t>.
func (d *Definition) right(words []string) error {
	switch {
	case len(words) == 1 && isType(words[0], 0):
		d.Result = words[0]
	case len(words) == 2 && words[0] == "Vector" && isType(words[1], 0):
		d.Result = "Vector<" + words[1] + ">"
	default:
		return fmt.Errorf("want one type after =, have %q", strings.Join(words, " "))
	}
	return nil
}

// isType accepts T, ns.T, %T, !X and Vector<T> or vector<T>, nested at most 8 deep.
func isType(s string, depth int) bool {
	if depth > 8 {
		return false
	}
	for _, vector := range []string{"Vector<", "vector<"} {
		if rest, ok := strings.CutPrefix(s, vector); ok {
			elem, ok := strings.CutSuffix(rest, ">")
			return ok && isType(elem, depth+1)
		}
	}
	if len(s) > 1 && (s[0] == '%' || s[0] == '!') {
		s = s[1:]
	}
	return typeName.MatchString(s)
}
