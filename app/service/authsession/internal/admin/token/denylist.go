package token

import (
	"errors"
	"strings"
)

// Denylist names tokens that are refused before their time is over: by jti, or all
// of a subject. The zero Denylist names none.
type Denylist struct{ ids, subjects map[string]struct{} }

const (
	subjectPrefix = "sub:"
	maxDenied     = 100_000
)

// ParseDenylist reads a file with one token a line: its jti, or sub: and a subject
// whose tokens are all refused. Empty lines, and what follows a #, say nothing.
func ParseDenylist(content []byte) (Denylist, error) {
	d := Denylist{ids: map[string]struct{}{}, subjects: map[string]struct{}{}}
	for line := range strings.Lines(string(content)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if subject, is := strings.CutPrefix(line, subjectPrefix); is {
			d.subjects[strings.TrimSpace(subject)] = struct{}{}
		} else {
			d.ids[line] = struct{}{}
		}
		if len(d.ids)+len(d.subjects) > maxDenied {
			return Denylist{}, errors.New("has too many lines")
		}
	}
	return d, nil
}

func (d Denylist) has(c *claims) bool {
	_, id := d.ids[c.ID]
	_, subject := d.subjects[c.Subject]
	return id && c.ID != "" || subject
}
