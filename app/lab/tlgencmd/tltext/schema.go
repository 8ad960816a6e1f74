package tltext

import (
	"hash/crc32"
	"strings"
)

// Schema is one file.
type Schema struct {
	Layer       int // 0: the file tells none
	Definitions []Definition
}

// Definition is a constructor or a method.
type Definition struct {
	Line    int // where it begins, from 1
	Name    string
	ID      uint32 // as given, else Sum
	Given   bool   // the text has an id
	Method  bool
	Builtin bool // int ? = Int, vector {t:Type} # [ t ] = Vector t and the like: no parameters are kept
	Generic []string
	Params  []Param
	Result  string // auth.SentCode, Vector<User>, X
	Sum     uint32 // CRC-32 of the normal text
}

// Param is a parameter. Type is the text without spaces: #, long, flags.0?Vector<User>, !X, vector<%Message>.
type Param struct{ Name, Type string }

// Condition splits "flags.3?T" into the word, the bit and T; word is empty when there is no condition.
func (p Param) Condition() (word, bit, typ string) {
	cond, typ, ok := strings.Cut(p.Type, "?")
	if !ok {
		return "", "", p.Type
	}
	word, bit, _ = strings.Cut(cond, ".")
	return word, bit, typ
}

// IsFlag reports whether the parameter is a bit and nothing else (flags.N?true): it takes no room and has no part in
// the id, so versions of a schema may add such parameters under the same id.
func (p Param) IsFlag() bool {
	word, _, typ := p.Condition()
	return word != "" && typ == "true"
}

// sum computes the CRC-32 of the normal text: no id, no flags that are mere bits, bytes written as string, and spaces
// for the brackets of types (core.telegram.org/mtproto/TL-combinators).
func (d *Definition) sum(words []string) uint32 {
	var b strings.Builder
	b.WriteString(d.Name)
	for _, w := range words {
		name, typ, ok := strings.Cut(w, ":")
		if ok && (Param{name, typ}).IsFlag() {
			continue
		}
		if ok {
			w = name + ":" + bytesAsString(typ)
		}
		b.WriteByte(' ')
		b.WriteString(brackets.Replace(w))
	}
	return crc32.ChecksumIEEE([]byte(b.String()))
}

var brackets = strings.NewReplacer("<", " ", ">", "", "{", "", "}", "")

// bytesAsString replaces the type bytes, whether under a condition or not. Vectors of bytes keep it, as in the ids of
// Telegram's schemas.
func bytesAsString(typ string) string {
	if typ == "bytes" {
		return "string"
	}
	if cond, ok := strings.CutSuffix(typ, "?bytes"); ok {
		return cond + "?string"
	}
	return typ
}
