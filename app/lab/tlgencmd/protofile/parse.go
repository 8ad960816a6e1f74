package protofile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	maxText  = 64 << 20 // bytes of a file; Teamgram's largest has a tenth
	maxDepth = 16       // of messages in messages and of braces in options
)

// Parse reads a file. Errors begin with the line.
func Parse(text []byte) (*File, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("line 1: more than %d MiB", maxText>>20)
	}
	p := parser{lex: lexer{src: string(text), line: 1}, file: &File{}}
	p.advance()
	for p.err == nil && p.tok.text != "" {
		p.top()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.file, nil
}

// parser has one token of lookahead; after the first error it stands still at the end.
type parser struct {
	lex  lexer
	tok  token
	file *File
	err  error
}

func (p *parser) advance() token {
	t := p.tok
	if p.err == nil {
		if p.tok, p.err = p.lex.next(); p.err != nil {
			p.tok = token{}
		}
	}
	return t
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("line %d: "+format, append([]any{p.tok.line}, args...)...)
	}
	p.tok = token{}
}

// take passes over the token if it is the wanted one.
func (p *parser) take(want string) bool {
	if p.err != nil || p.tok.text != want {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(want string) {
	if !p.take(want) {
		p.fail("want %q, have %q", want, p.tok.text)
	}
}

// ident reads an identifier, with dots when they are allowed.
func (p *parser) ident(dots bool) string {
	s := p.tok.text
	if s == "" || !isWord(s[len(s)-1]) || '0' <= s[0] && s[0] <= '9' || !dots && strings.Contains(s, ".") {
		p.fail("want a name, have %q", s)
		return ""
	}
	return p.advance().text
}

func (p *parser) integer(lowest, highest int64) int64 {
	minus := p.take("-")
	s := p.tok.text
	n, err := strconv.ParseInt(s, 0, 64)
	if minus {
		n = -n
	}
	if err != nil || n < lowest || n > highest {
		p.fail("want a number in %d..%d, have %q", lowest, highest, s)
		return 0
	}
	p.advance()
	return n
}

func (p *parser) top() {
	switch word := p.tok.text; word {
	case "syntax", "edition":
		p.advance()
		p.expect("=")
		p.file.Syntax = strings.Trim(p.advance().text, `"'`)
		p.expect(";")
	case "package":
		p.advance()
		p.file.Package = p.ident(true)
		p.expect(";")
	case "import", "option":
		p.skip()
	case "message":
		p.message("", 0)
	case "enum":
		p.enum("")
	case "service":
		p.service()
	case "extend":
		p.skip()
	case ";":
		p.advance()
	default:
		p.fail("%q does not begin a definition", word)
	}
}

// skip passes over a statement: to the semicolon, or to the end of a block in braces.
func (p *parser) skip() {
	for depth := 0; p.err == nil; {
		switch p.advance().text {
		case "":
			p.fail("the file ends inside a statement")
		case "{", "[":
			if depth++; depth > maxDepth {
				p.fail("%w", errDeep)
			}
		case "]":
			depth--
		case "}":
			if depth--; depth <= 0 && p.tok.text != ";" {
				return
			}
		case ";":
			if depth <= 0 {
				return
			}
		}
	}
}

// options passes over [a = b, …] behind a field.
func (p *parser) options() {
	if p.tok.text != "[" {
		return
	}
	for depth := 0; p.err == nil; {
		switch p.advance().text {
		case "":
			p.fail("the file ends inside options")
		case "[", "{":
			if depth++; depth > maxDepth {
				p.fail("%w", errDeep)
			}
		case "]", "}":
			if depth--; depth == 0 {
				return
			}
		}
	}
}

func (p *parser) message(outer string, depth int) {
	m := Message{Line: p.tok.line}
	p.expect("message")
	m.Name = outer + p.ident(false)
	if depth > maxDepth {
		p.fail("%w", errDeep)
	}
	p.expect("{")
	for p.err == nil && !p.take("}") {
		p.member(&m, depth)
	}
	p.file.Messages = append(p.file.Messages, m)
}

func (p *parser) member(m *Message, depth int) {
	switch p.tok.text {
	case "message":
		p.message(m.Name+".", depth+1)
	case "enum":
		p.enum(m.Name + ".")
	case "option", "reserved":
		p.skip()
	case "extensions", "extend", "oneof":
		m.Beyond = p.tok.text
		p.skip()
	case "map":
		m.Beyond = "map"
		p.skip()
	case ";":
		p.advance()
	default:
		p.field(m)
	}
}

func (p *parser) field(m *Message) {
	var f Field
	switch p.tok.text {
	case "repeated":
		p.advance()
		f.Repeated = true
	case "optional", "required":
		m.Beyond = p.advance().text
	}
	if p.tok.text == "group" {
		m.Beyond = "group"
		p.skip()
		return
	}
	f.Type = p.ident(true)
	f.Name = p.ident(false)
	p.expect("=")
	f.Number = int(p.integer(1, 1<<29-1))
	p.options()
	p.expect(";")
	for i := range m.Fields {
		if m.Fields[i].Number == f.Number || m.Fields[i].Name == f.Name {
			p.fail("message %s: fields %s and %s collide", m.Name, m.Fields[i].Name, f.Name)
		}
	}
	m.Fields = append(m.Fields, f)
}

func (p *parser) enum(outer string) {
	e := Enum{Line: p.tok.line}
	p.expect("enum")
	e.Name = outer + p.ident(false)
	p.expect("{")
	for p.err == nil && !p.take("}") {
		switch p.tok.text {
		case "option", "reserved":
			p.skip()
		case ";":
			p.advance()
		default:
			v := Value{Name: p.ident(false)}
			p.expect("=")
			v.Number = int32(p.integer(math.MinInt32, math.MaxInt32))
			p.options()
			p.expect(";")
			e.Values = append(e.Values, v)
		}
	}
	p.file.Enums = append(p.file.Enums, e)
}

func (p *parser) service() {
	p.expect("service")
	s := Service{Name: p.ident(false)}
	p.expect("{")
	for p.err == nil && !p.take("}") {
		switch p.tok.text {
		case "rpc":
			s.RPCs = append(s.RPCs, p.rpc())
		case "option":
			p.skip()
		case ";":
			p.advance()
		default:
			p.fail("want rpc, have %q", p.tok.text)
		}
	}
	p.file.Services = append(p.file.Services, s)
}

func (p *parser) rpc() RPC {
	p.expect("rpc")
	r := RPC{Name: p.ident(false)}
	side := func() string {
		p.expect("(")
		if p.take("stream") {
			r.Streams = true
		}
		name := p.ident(true)
		p.expect(")")
		return name
	}
	r.Request = side()
	p.expect("returns")
	r.Response = side()
	if p.tok.text == "{" {
		p.skip()
	} else {
		p.expect(";")
	}
	return r
}
