package protofile

import (
	"errors"
	"fmt"
)

// token is an identifier (dots included), a number, a string with its quotes, or one mark. Empty at the end of the file.
type token struct {
	text string
	line int
}

type lexer struct {
	src  string
	pos  int
	line int
}

func (l *lexer) next() (token, error) {
	if err := l.space(); err != nil {
		return token{}, err
	}
	t := token{line: l.line}
	if l.pos == len(l.src) {
		return t, nil
	}
	start := l.pos
	c := l.src[l.pos]
	l.pos++
	switch {
	case c == '"' || c == '\'':
		if err := l.quoted(c); err != nil {
			return t, err
		}
	case isWord(c) || (c == '.' && l.pos < len(l.src) && isWord(l.src[l.pos])):
		for l.pos < len(l.src) && (isWord(l.src[l.pos]) || l.src[l.pos] == '.') {
			l.pos++
		}
	case c < ' ' || c > '~':
		return t, fmt.Errorf("line %d: character %q does not belong here", l.line, c)
	}
	t.text = l.src[start:l.pos]
	return t, nil
}

// quoted passes over the rest of a string.
func (l *lexer) quoted(quote byte) error {
	for ; l.pos < len(l.src) && l.src[l.pos] != '\n'; l.pos++ {
		switch l.src[l.pos] {
		case quote:
			l.pos++
			return nil
		case '\\':
			l.pos++
		}
	}
	l.pos = min(l.pos, len(l.src))
	return fmt.Errorf("line %d: string does not end", l.line)
}

// space passes over white space and comments.
func (l *lexer) space() error {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\n':
			l.line++
			l.pos++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.pos++
		case c == '/' && l.pos+1 < len(l.src) && l.src[l.pos+1] == '/':
			for l.pos < len(l.src) && l.src[l.pos] != '\n' {
				l.pos++
			}
		case c == '/' && l.pos+1 < len(l.src) && l.src[l.pos+1] == '*':
			if err := l.block(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) block() error {
	start := l.line
	for l.pos += 2; l.pos+1 < len(l.src); l.pos++ {
		switch {
		case l.src[l.pos] == '\n':
			l.line++
		case l.src[l.pos] == '*' && l.src[l.pos+1] == '/':
			l.pos += 2
			return nil
		}
	}
	return fmt.Errorf("line %d: comment does not end", start)
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

var errDeep = errors.New("nested too deep")
