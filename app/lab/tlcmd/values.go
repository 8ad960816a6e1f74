package tlcmd

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tgsession/tgsession/proto/tl"
)

func (p *printer) take(n int) ([]byte, error) {
	if n < 0 || len(p.in)-p.pos < n {
		return nil, tl.TruncatedError{Offset: p.pos}
	}
	b := p.in[p.pos : p.pos+n]
	p.pos += n
	return b, nil
}

func (p *printer) u32() (uint32, error) {
	b, err := p.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (p *printer) u64() (uint64, error) {
	b, err := p.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

func (p *printer) str() ([]byte, error) {
	start := p.pos
	head, err := p.take(1)
	if err != nil {
		return nil, err
	}
	n := int(head[0])
	switch n {
	case 254:
		if head, err = p.take(3); err != nil {
			return nil, err
		}
		n = int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	case 255: // TL does not define it
		p.pos = start
		return nil, tl.TruncatedError{Offset: start}
	}
	s, err := p.take(n)
	if err == nil {
		_, err = p.take(-(p.pos - start) & 3)
	}
	if err != nil {
		p.pos = start
		return nil, tl.TruncatedError{Offset: start}
	}
	return s, nil
}

// fixed are the types of fixed size.
var fixed = map[string]int{"int": 4, "long": 8, "double": 8, "int128": 16, "int256": 32}

func number(typ string, b []byte) string {
	switch typ {
	case "int":
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b))))
	case "long":
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(b)), 10)
	case "double":
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64)
	}
	return "0x" + hex.EncodeToString(b)
}

// text quotes printable strings and prints the rest as hex.
func text(b []byte) string {
	printable := utf8.Valid(b) && strings.IndexFunc(string(b), func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t'
	}) < 0
	if printable {
		return strconv.Quote(string(b))
	}
	return fmt.Sprintf("%d bytes 0x%s", len(b), hexOf(b))
}

// hexOf shortens what no one reads to its end.
func hexOf(b []byte) string {
	const most = 256
	if len(b) > most {
		return hex.EncodeToString(b[:most]) + "…"
	}
	return hex.EncodeToString(b)
}
