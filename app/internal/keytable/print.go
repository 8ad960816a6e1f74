package keytable

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Masked stands for a secret value.
const Masked = "***"

// Print returns v, a pointer to a struct, as YAML that reads back to the same
// configuration but for the values of secrets, which are masked. from has the file of
// each secret that was read from one, by the secret's key: the file is printed
// instead, under its own key. Secrets that given reports false for are left out: they
// were handed down from another block, as go-zero does with Etcd.
//
// What is zero, and would be without a line, has none.
func (t Table) Print(v any, from map[string]string, given func(key string) bool) (string, error) {
	root := t.node(reflect.ValueOf(v).Elem(), "", from, given)
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	return out.String(), nil
}

// node is a struct as a mapping.
func (t Table) node(v reflect.Value, prefix string, from map[string]string, given func(string) bool) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			value = value.Elem()
		}
		if f.Anonymous {
			node.Content = append(node.Content, t.node(value, prefix, from, given).Content...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		key := prefix + name(f)
		if file, ok := from[key]; ok {
			node.Content = append(node.Content, scalar(name(f)+"File"), scalar(file))
			continue
		}
		if below := t.value(value, f, key, from, given); below != nil {
			node.Content = append(node.Content, scalar(name(f)), below)
		}
	}
	return node
}

// value is a field's value as a file has it; nil: there is no line.
func (t Table) value(v reflect.Value, f reflect.StructField, key string, from map[string]string, given func(string) bool) *yaml.Node {
	switch {
	case v.Kind() == reflect.Struct && v.IsZero() && optional(f):
		return nil
	case v.Kind() == reflect.Struct:
		if node := t.node(v, key+".", from, given); len(node.Content) > 0 {
			return node
		}
		return nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			list.Content = append(list.Content, t.node(v.Index(i), fmt.Sprintf("%s[%d].", key, i), from, given))
		}
		if len(list.Content) == 0 {
			return nil
		}
		return list
	}
	_, hasDefault := option(f, "default")
	row, _ := t.row(pattern(key))
	pointed := f.Type.Kind() == reflect.Pointer
	if empty(v) && !hasDefault && row.Default == nil && !pointed {
		return nil
	}
	if row.Secret && !given(key) {
		return nil
	}
	return scalars(v, row)
}

func optional(f reflect.StructField) bool {
	_, found := option(f, "optional")
	return found
}

func empty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

// scalars is a value that holds no struct.
func scalars(v reflect.Value, row Row) *yaml.Node {
	switch v.Kind() {
	case reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			list.Content = append(list.Content, scalars(v.Index(i), row))
		}
		return list
	case reflect.Map:
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.SortedFunc(maps.Keys(keysOf(v)), strings.Compare) {
			node.Content = append(node.Content, scalar(key), scalars(v.MapIndex(reflect.ValueOf(key)), row))
		}
		return node
	}
	if row.Secret && !v.IsZero() {
		if row.Mask != nil {
			return scalar(row.Mask(v.String()))
		}
		return scalar(Masked)
	}
	return scalar(v.Interface())
}

func keysOf(v reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, key := range v.MapKeys() {
		keys[key.String()] = true
	}
	return keys
}

func scalar(v any) *yaml.Node {
	if d, ok := v.(time.Duration); ok {
		v = duration(d)
	}
	node := new(yaml.Node)
	if node.Encode(v) != nil { // of a scalar there is no error
		node.SetString(fmt.Sprint(v))
	}
	return node
}
