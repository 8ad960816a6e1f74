package keytable

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// goZero is where the structs come from that a Block may stand for.
const goZero = "github.com/zeromicro/go-zero/"

// secretName is what a key is called whose value nobody may see.
var secretName = regexp.MustCompile(`(?i)(pass|password|token|secret|dsn|headers)$`)

// Problems says what the table lacks to describe the configuration v, a pointer to a
// struct, or has too much: a key without a row, a row without a key, a block of keys
// that are not go-zero's, a default where the field's tag has one, a key that looks
// like a secret and is none. None: the table is right.
func (t Table) Problems(v any) (list []string) {
	root := reflect.TypeOf(v).Elem()
	described := map[string]bool{}
	rows := map[string]bool{}
	for _, row := range t {
		if rows[row.Key] {
			list = append(list, row.Key+" has two rows")
		}
		rows[row.Key] = true
		if strings.TrimSpace(row.Doc) == "" && !row.Secret {
			list = append(list, row.Key+" has no text")
		}
	}
	for _, l := range leaves(root, "") {
		row, own := t.row(l.key)
		block, blocked := t.block(l.key)
		switch {
		case own:
			described[row.Key] = true
			_, tagged := option(l.field, "default")
			if row.Default != nil && tagged {
				list = append(list, l.key+" has a default in its row and another in its tag")
			}
			if row.Default != nil && !reflect.TypeOf(row.Default).ConvertibleTo(l.field.Type) {
				list = append(list, fmt.Sprintf("%s has a default of type %T", l.key, row.Default))
			}
		case blocked && strings.HasPrefix(l.owner.PkgPath(), goZero):
		case blocked:
			list = append(list, fmt.Sprintf("%s is not go-zero's and has no row, but the block %s", l.key, block.Key))
		default:
			list = append(list, l.key+" has no row")
		}
		if blocked {
			described[block.Key] = true
		}
		if secretName.MatchString(l.key) && !row.Secret {
			list = append(list, l.key+" looks like a secret, and its row does not say so")
		}
	}
	for _, row := range t {
		if !described[row.Key] {
			list = append(list, row.Key+" is no key of the configuration")
		}
	}
	return list
}

// block returns the innermost block that a key is below of.
func (t Table) block(key string) (found Row, ok bool) {
	for _, row := range t {
		below := strings.HasPrefix(key, row.Key+".") || strings.HasPrefix(key, row.Key+"[].")
		if row.Block && below && len(row.Key) > len(found.Key) {
			found, ok = row, true
		}
	}
	return found, ok
}
