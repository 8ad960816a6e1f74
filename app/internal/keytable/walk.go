package keytable

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// leaf is a key with a value of its own.
type leaf struct {
	key   string // without indexes
	field reflect.StructField
	owner reflect.Type // the struct that has the field
}

// leaves lists the keys of a struct as go-zero's loader has them: those of embedded
// structs stand among the others, those of a list's elements behind brackets.
func leaves(t reflect.Type, prefix string) (list []leaf) {
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous:
			list = append(list, leaves(inner, prefix)...)
		case !f.IsExported():
		case inner.Kind() == reflect.Struct:
			list = append(list, leaves(inner, prefix+name(f)+".")...)
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct:
			list = append(list, leaves(inner.Elem(), prefix+name(f)+"[].")...)
		default:
			list = append(list, leaf{prefix + name(f), f, t})
		}
	}
	return list
}

// name is how a file spells a field.
func name(f reflect.StructField) string {
	text, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if text = strings.TrimSpace(text); text != "" {
		return text
	}
	return f.Name
}

// option returns what a field's tag says behind option=, as default or range.
func option(f reflect.StructField, of string) (value string, found bool) {
	_, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	for rest != "" {
		end := strings.IndexByte(rest, ',')
		if open := strings.IndexAny(rest, "[("); open >= 0 && open < end {
			if closed := strings.IndexAny(rest[open:], "])"); closed >= 0 {
				end = open + closed + 1
			}
		}
		if end < 0 || end > len(rest) {
			end = len(rest)
		}
		key, text, _ := strings.Cut(rest[:end], "=")
		if strings.TrimSpace(key) == of {
			return text, true
		}
		rest = strings.TrimPrefix(rest[end:], ",")
	}
	return "", false
}

// lookup returns the field of a struct at a key without lists.
func lookup(at reflect.Value, key string) reflect.Value {
	for part := range strings.SplitSeq(key, ".") {
		next, found := child(at, part)
		if !found {
			panic(fmt.Sprintf("keytable: %s names no field of %v", key, at.Type()))
		}
		at = next
	}
	return at
}

// child returns the field of a struct that a file spells so.
func child(at reflect.Value, part string) (reflect.Value, bool) {
	for i := range at.NumField() {
		f := at.Type().Field(i)
		if f.Anonymous {
			if found, ok := child(at.Field(i), part); ok {
				return found, true
			}
			continue
		}
		if f.IsExported() && name(f) == part {
			return at.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// place is a value of a configuration.
type place struct {
	key   string // with indexes
	value reflect.Value
	field reflect.StructField
}

// places lists the values of a struct. A pointer that is nil has none.
func places(v reflect.Value, prefix string) (list []place) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			value = value.Elem()
		}
		switch {
		case f.Anonymous:
			list = append(list, places(value, prefix)...)
		case !f.IsExported():
		case value.Kind() == reflect.Struct:
			list = append(list, places(value, prefix+name(f)+".")...)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for k := range value.Len() {
				list = append(list, places(value.Index(k), fmt.Sprintf("%s%s[%d].", prefix, name(f), k))...)
			}
		default:
			list = append(list, place{prefix + name(f), value, f})
		}
	}
	return list
}

var index = regexp.MustCompile(`\[\d+\]`)

// pattern is a key without the indexes of lists.
func pattern(key string) string { return index.ReplaceAllString(key, "[]") }

// Changed lists the keys whose values differ in two configurations of one type, both
// pointers to structs, sorted: those that a running node takes, and those that need a
// restart. A list that has another length is named itself.
func (t Table) Changed(before, after any) (live, restart []string) {
	old, now := values(before), values(after)
	all := maps.Clone(old)
	maps.Copy(all, now)
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a, had := old[key]
		b, has := now[key]
		if had && has && reflect.DeepEqual(a, b) {
			continue
		}
		reported := key
		if had != has { // an element more or less
			if list, _, inside := strings.Cut(key, "["); inside {
				reported = list
			}
		}
		if seen[reported] {
			continue
		}
		seen[reported] = true
		if row, _ := t.row(pattern(key)); row.Reload == Live {
			live = append(live, reported)
		} else {
			restart = append(restart, reported)
		}
	}
	return live, restart
}

func values(v any) map[string]any {
	all := map[string]any{}
	for _, p := range places(reflect.ValueOf(v).Elem(), "") {
		value := p.value
		if (value.Kind() == reflect.Slice || value.Kind() == reflect.Map) && value.Len() == 0 {
			value = reflect.Zero(value.Type()) // [] says as much as nothing
		}
		all[p.key] = value.Interface()
	}
	return all
}
