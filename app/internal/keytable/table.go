// Package keytable describes the keys of a configuration once: what a key means, its
// default, its range, its unit, and whether a running node takes a new value of it.
// The same table sets defaults, refuses values, prints a configuration, tells what has
// changed in one, and makes docs/configuration.md.
//
// A key is named by its path in the file: "Session.CallTimeout". After the name of a
// list come brackets, "Events.Webhooks[].URL", and one element of it has its index in
// them, "Events.Webhooks[0].URL".
package keytable

import "reflect"

// Reload says what becomes of a new value while the node runs.
type Reload int

const (
	// Restart means that the value that the node started with holds until it is started again.
	Restart Reload = iota
	// Live means that the node takes it when it reads its configuration again.
	Live
	// File means that the key names a file, whose new content the node takes within a second.
	// Another name needs a restart.
	File
)

// Row describes one key, or a block of keys that go-zero reads and documents.
type Row struct {
	Key string
	// Default is what SetDefaults gives the field where it is zero: an int, int64,
	// string, bool, float64 or time.Duration, as the field. Nil: go-zero's tag of the
	// field has the default, or there is none.
	Default any
	// Absent is what Page says holds without the key, where it is another value than the
	// field's default.
	Absent string
	// Min and Max are the bounds that Validate keeps to, both of them allowed: an int, a
	// float64 or a time.Duration, as the field. Nil: there is no such bound.
	Min, Max any
	OrZero   bool   // zero is allowed besides
	Unit     string // what a plain number counts
	Reload   Reload
	// Secret values are never printed, and may be read from a file that the key with
	// File behind its name has, as Mysql.DSNFile.
	Secret bool
	// Mask replaces what is secret in a value, and keeps the rest. Nil: all is secret.
	Mask func(string) string
	// Block: the row stands for all keys below Key which have no rows of their own.
	// They are go-zero's, and go-zero's documentation says what they mean.
	Block bool
	Doc   string // one or two sentences
}

// Table is the rows of a configuration.
type Table []Row

// Under returns the table with a prefix before all keys.
func (t Table) Under(prefix string) Table {
	rows := make(Table, len(t))
	for i, row := range t {
		row.Key = prefix + row.Key
		rows[i] = row
	}
	return rows
}

// row returns the row of a key, whose lists have no indexes.
func (t Table) row(key string) (Row, bool) {
	for _, row := range t {
		if row.Key == key {
			return row, true
		}
	}
	return Row{}, false
}

// Secret reports whether the value of a key, with or without indexes, is secret.
func (t Table) Secret(key string) bool {
	row, _ := t.row(pattern(key))
	return row.Secret
}

// Files lists the secrets of v, a pointer to a struct, that may be read from files:
// those that are text.
func (t Table) Files(v any) (keys []string) {
	for _, l := range leaves(reflect.TypeOf(v).Elem(), "") {
		if l.field.Type.Kind() == reflect.String && t.Secret(l.key) {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// SetDefaults gives the fields of v, a pointer to a struct, that are zero the Default
// of their rows. A row without a field, or with a Default of another type than the
// field's, is a mistake of the table, and panics.
func (t Table) SetDefaults(v any) {
	at := reflect.ValueOf(v).Elem()
	for _, row := range t {
		if row.Default == nil {
			continue
		}
		field := lookup(at, row.Key)
		if field.IsZero() {
			field.Set(reflect.ValueOf(row.Default).Convert(field.Type()))
		}
	}
}
