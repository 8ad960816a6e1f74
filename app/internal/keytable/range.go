package keytable

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// OutOfRangeError is a value that its row does not allow.
type OutOfRangeError struct {
	Key     string // with indexes
	Value   string // as a file has it
	Allowed string // "1 to 5000", "0s, or 1h0m0s or more"
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s is %s, want %s", e.Key, e.Value, e.Allowed)
}

// Validate returns an *OutOfRange for the first value of v, a pointer to a struct,
// that its row does not allow. Keys for which off reports true are passed over: those
// of a part that is switched off. Nil: none are.
func (t Table) Validate(v any, off func(key string) bool) error {
	for _, p := range places(reflect.ValueOf(v).Elem(), "") {
		row, found := t.row(pattern(p.key))
		if !found || row.Min == nil && row.Max == nil || off != nil && off(row.Key) {
			continue
		}
		value := number(p.value.Interface())
		if row.OrZero && value == 0 {
			continue
		}
		if row.Min != nil && value < number(row.Min) || row.Max != nil && value > number(row.Max) {
			return &OutOfRangeError{Key: p.key, Value: text(p.value.Interface()), Allowed: row.allowed()}
		}
	}
	return nil
}

// allowed is the range in words; empty: any value is.
func (r Row) allowed() string {
	words := ""
	switch {
	case r.Min != nil && r.Max != nil:
		words = text(r.Min) + " to " + text(r.Max)
	case r.Min != nil:
		words = text(r.Min) + " or more"
	case r.Max != nil:
		words = text(r.Max) + " or less"
	}
	if r.OrZero {
		words = text(reflect.Zero(reflect.TypeOf(r.bound())).Interface()) + ", or " + words
	}
	return words
}

func (r Row) bound() any {
	if r.Min != nil {
		return r.Min
	}
	return r.Max
}

// number is a value as all bounds can be compared.
func number(v any) float64 {
	at := reflect.ValueOf(v)
	switch {
	case at.CanInt():
		return float64(at.Int())
	case at.CanUint():
		return float64(at.Uint())
	case at.CanFloat():
		return at.Float()
	}
	panic(fmt.Sprintf("keytable: %T has no order", v))
}

// text is a value as a file has it.
func text(v any) string {
	if d, ok := v.(time.Duration); ok {
		return duration(d)
	}
	return fmt.Sprint(v)
}

// duration is d without the zeros that String puts behind whole hours and minutes.
func duration(d time.Duration) string {
	words := d.String()
	if strings.HasSuffix(words, "m0s") {
		words = strings.TrimSuffix(words, "0s")
	}
	if strings.HasSuffix(words, "h0m") {
		words = strings.TrimSuffix(words, "0m")
	}
	return words
}
