package dao

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// filled sets every field of v, also those of what it points to, to something of its own.
func filled(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.Slice:
		v.SetBytes([]byte{byte(*n), 0, 255, 254})
	case reflect.String:
		v.SetString(string(rune('a'+*n)) + ` "quoted" \ / é` + "\n\t")
	default:
		v.SetInt(-*n << 20)
	}
}

// What is read by hand is what encoding/json reads, member by member: a field that is
// added to a type and not to its ReadText is read slowly, and fails here.
func TestCachedValuesAreReadAsTheyWereWritten(t *testing.T) {
	check := func(read func(text string) (any, bool), of func() any) {
		var n int64
		full := of()
		filled(reflect.ValueOf(full).Elem(), &n)
		for _, value := range []any{full, of()} {
			text, err := json.Marshal(value)
			require.NoError(t, err)
			got, ok := read(string(text))
			require.True(t, ok, "%s", text)
			require.Equal(t, value, got)
			if string(text) != "{}" {
				got, ok = read(strings.Replace(string(text), "{", `{"cache_epoch":"0123456789abcdef",`, 1))
				require.True(t, ok)
				require.Equal(t, value, got)
			}
		}
		for _, text := range []string{"", "null", "[]", `{"unknown":1}`, "{} ", `{"client":null}`, `{"auth_key":1}`, `{"bind_user":{"hash":1.5}}`} {
			_, ok := read(text)
			require.False(t, ok, text)
		}
	}
	check(func(text string) (any, bool) { k := &cachedKey{}; return k, k.ReadText(text) }, func() any { return &cachedKey{} })
	check(func(text string) (any, bool) { l := &Login{}; return l, l.ReadText(text) }, func() any { return &Login{} })
}
