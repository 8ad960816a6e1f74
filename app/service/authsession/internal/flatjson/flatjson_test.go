package flatjson

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

type sample struct {
	I int64  `json:"i"`
	N int32  `json:"n"`
	S string `json:"s"`
	B []byte `json:"b"`
	O struct {
		S string `json:"s"`
	} `json:"o"`
}

func read(text string) (s sample, ok bool) {
	r := Of(text)
	r.Members(func(name string) bool {
		switch name {
		case "i":
			s.I = r.Int()
		case "n":
			s.N = r.Int32()
		case "s":
			s.S = r.String()
		case "b":
			s.B = r.Bytes()
		case "o":
			r.Members(func(name string) bool {
				s.O.S = r.String()
				return name == "s"
			})
		default:
			return false
		}
		return true
	})
	return s, r.Done()
}

// What it reads at all it reads as encoding/json does.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"i":-9223372036854775808,"n":-2147483648,"s":"a\"\\\/\b\f\n\r\tz","b":"AP8=","o":{"s":"é"}}`,
		`{"i":1,}`, `{"i":01}`, `{"i":-}`, `{"i":1.5}`, `{"n":2147483648}`, `{"s":"\u00e9"}`, `{"s":"a` + "\n" + `"}`, `{"s":"\"}`,
		`{"s":"` + "\xff" + `"}`, `{"b":"A"}`, `{"o":{"s":"x"}`, `{"o":null}`, ` {}`, `{"i":1}{`, `{"i"`, `{`, `{"s":"`, `{"i":1,"i":2}`, `{"i":-0}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := read(text)
		if !ok {
			return
		}
		var want sample
		require.NoError(t, json.Unmarshal([]byte(text), &want), text)
		require.Equal(t, want, got, text)
	})
}

func TestWhatIsRead(t *testing.T) {
	got, ok := read(`{"i":-9223372036854775808,"n":-2147483648,"s":"a\"\\\/\b\f\n\r\tz","b":"AP8=","o":{"s":"é"}}`)
	require.True(t, ok)
	want := sample{I: -1 << 63, N: -1 << 31, S: "a\"\\/\b\f\n\r\tz", B: []byte{0, 255}}
	want.O.S = "é"
	require.Equal(t, want, got)
	for _, text := range []string{`{"i":1,}`, `{"i":01}`, `{"i":1.5}`, `{"n":2147483648}`, `{"s":"\u00e9"}`, `{"o":null}`, ` {}`, `{}{`, `{"x":1}`, ``} {
		_, ok := read(text)
		require.False(t, ok, text)
	}
}
