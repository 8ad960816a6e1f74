package conf

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"
)

// keys describes what may stand below one key of a configuration.
type keys struct {
	name     string           // as spelled in the struct
	example  string           // a value that would do, for messages
	kind     string           // what a value has to be, for messages; empty: not known
	children map[string]*keys // by lower-case name; nil for a scalar
	any      *keys            // what stands below each key of a map
}

// examples of go-zero's own keys, whose structs carry no example tag, where
// a Config has none of its own.
var examples = map[string]string{
	"Hosts": "[127.0.0.1:2379]",
	"Host":  "127.0.0.1:6379",
}

// Exampler is a configuration with examples for keys of structs that are not
// its own, by dotted path.
type Exampler interface{ Examples() map[string]string }

// describeAll is describe, with v's own examples.
func describeAll(v any) *keys {
	k := describe(reflect.TypeOf(v))
	if e, ok := v.(Exampler); ok {
		for path, example := range e.Examples() {
			_, at := k.find(path)
			at.example = example
		}
	}
	return k
}

// fix says how to mend a key that is missing.
func (k *keys) fix(name string) string { return "set it" + k.forExample(name) }

// fixType says how to mend a key whose value is of the wrong type.
func (k *keys) fixType(name string) string {
	if k.kind == "" || strings.HasSuffix(name, "]") { // what kind an element of a list is nobody noted
		return k.fix(name)
	}
	return "give " + k.kind + k.forExample(name)
}

func (k *keys) forExample(name string) string {
	short := name[strings.LastIndexByte(name, '.')+1:]
	example := k.example
	if example == "" {
		example = examples[short]
	}
	if example == "" {
		return ""
	}
	return fmt.Sprintf(", for example %s: %s", short, example)
}

// describe walks a type as go-zero's loader does: embedded structs are
// flattened, lists stand for their elements.
func describe(t reflect.Type) *keys {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Map:
		return &keys{any: describe(t.Elem())}
	case reflect.Struct:
		k := &keys{children: map[string]*keys{}}
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous {
				for name, child := range describe(f.Type).children {
					k.children[name] = child
				}
				continue
			}
			if !f.IsExported() {
				continue
			}
			child := describe(f.Type)
			child.name, child.example, child.kind = fieldName(f), f.Tag.Get("example"), kindOf(f.Type)
			k.children[strings.ToLower(child.name)] = child
		}
		return k
	default:
		return &keys{}
	}
}

// kindOf names what a field of type t takes, in the words of a file; empty for types of
// which go-zero's error says enough.
func kindOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[time.Duration]() {
		return "a time, as 5s"
	}
	switch v := reflect.Zero(t); {
	case v.CanInt(), v.CanUint():
		return "a whole number"
	case v.CanFloat():
		return "a number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return ""
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name = strings.TrimSpace(name); name != "" {
		return name
	}
	return f.Name
}

// find returns the description at a dotted path that may hold list indexes,
// and the path in the struct's own spelling.
func (k *keys) find(path string) (string, *keys) {
	parts := strings.Split(path, ".")
	at := k
	for i, part := range parts {
		bare, index, _ := strings.Cut(part, "[")
		child := at.children[strings.ToLower(bare)]
		if child == nil {
			return path, &keys{}
		}
		parts[i] = child.name
		if index != "" {
			parts[i] += "[" + index
		}
		at = child
	}
	return strings.Join(parts, "."), at
}

// unknownKeys returns a warning for each key in value that k has no place for, but
// those whose lower-case path is in unneeded.
func unknownKeys(value any, k *keys, prefix string, unneeded map[string]bool) (warnings []string) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			warnings = append(warnings, unknownKeys(v, k, prefix, unneeded)...)
		}
	case map[string]any:
		if k.any == nil && k.children == nil {
			return nil // a scalar is expected: the loader will say so
		}
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			child := k.any
			if child == nil {
				child = k.children[strings.ToLower(name)]
			}
			if child == nil && unneeded[strings.ToLower(prefix+name)] {
				continue
			}
			if child == nil {
				warnings = append(warnings, fmt.Sprintf("config key %s%s is not known and has no effect%s", prefix, name, k.suggest(prefix, name)))
				continue
			}
			warnings = append(warnings, unknownKeys(value[name], child, prefix+name+".", unneeded)...)
		}
	}
	return warnings
}

// suggest names the known key nearest to name below prefix, or all of them when none
// is near and they are few.
func (k *keys) suggest(prefix, name string) string {
	best, distance := "", len(name)/2+1
	all := make([]string, 0, len(k.children))
	for lower, child := range k.children {
		all = append(all, child.name)
		d := editDistance(strings.ToLower(name), lower)
		if d < distance || d == distance && child.name < best {
			best, distance = child.name, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf(" (nearest known key: %s%s)", prefix, best)
	case len(all) <= 12:
		sort.Strings(all)
		return fmt.Sprintf(" (known here: %s)", strings.Join(all, ", "))
	default:
		return ""
	}
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
