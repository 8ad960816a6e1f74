package keyseal

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	keyA = bytes.Repeat([]byte{1}, KeySize)
	keyB = bytes.Repeat([]byte{2}, KeySize)
	body = bytes.Repeat([]byte("auth key"), 32)
)

func sealer(t testing.TB, current, previous []byte) *Sealer {
	t.Helper()
	s, err := New(current, previous)
	require.NoError(t, err)
	return s
}

func TestFormsFitTheColumn(t *testing.T) {
	plain := sealer(t, nil, nil).Seal(5, body)
	require.Equal(t, base64.RawStdEncoding.EncodeToString(body), plain, "as stock stores it")
	sealed := sealer(t, keyA, nil).Seal(5, body)
	require.Len(t, sealed, 391)
	require.Less(t, len(sealed), 512)
	require.NotEqual(t, sealed, sealer(t, keyA, nil).Seal(5, body), "every seal has its own nonce")
}

func TestWhatOpens(t *testing.T) {
	none, a, b := (*Sealer)(nil), sealer(t, keyA, nil), sealer(t, keyB, nil)
	rotated, givenUp := sealer(t, keyB, keyA), sealer(t, nil, keyA)
	byA, byB, plain := a.Seal(5, body), b.Seal(5, body), none.Seal(5, body)
	for name, tc := range map[string]struct {
		s       *Sealer
		text    string
		err     error
		current bool
	}{
		"plain without keys":       {none, plain, nil, true},
		"padded, as others may":    {none, base64.StdEncoding.EncodeToString(body), nil, true},
		"sealed without keys":      {none, byA, ErrNoKey, false},
		"plain, of before":         {a, plain, nil, false},
		"sealed":                   {a, byA, nil, true},
		"another key":              {b, byA, ErrNoKey, false},
		"rotated: the former":      {rotated, byA, nil, false},
		"rotated: the new":         {rotated, byB, nil, true},
		"given up: sealed before":  {givenUp, byA, nil, false},
		"given up: plain again":    {givenUp, plain, nil, true},
		"truncated":                {a, byA[:len(byA)-4], ErrAltered, true},
		"nothing left":             {a, byA[:len("v1.00000000.")], ErrAltered, true},
		"no base64":                {a, byA[:20] + "!" + byA[21:], ErrAltered, true},
		"altered":                  {a, flip(byA), ErrAltered, true},
		"a version of the future":  {a, "v2" + byA[2:], ErrPlain, false},
		"plain, but not base64":    {a, "????", ErrPlain, false},
		"the version and no more":  {a, "v1.", ErrNoKey, false},
		"claims to be of this key": {b, "v1." + b.id + byA[11:], ErrAltered, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.s.Open(5, tc.text)
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.current, tc.s.Current(tc.text))
			if tc.err == nil {
				require.Equal(t, body, got)
			} else {
				require.Nil(t, got)
				require.NotContains(t, err.Error(), tc.text)
			}
		})
	}
	_, err := a.Open(6, byA)
	require.ErrorIs(t, err, ErrAltered, "the body of another auth key")
}

func flip(text string) string {
	i := len(text) / 2
	other := "A"
	if text[i] == 'A' {
		other = "B"
	}
	return text[:i] + other + text[i+1:]
}

func TestKeysThatCannotBe(t *testing.T) {
	_, err := New(keyA[:31], nil)
	require.ErrorContains(t, err, "31 bytes")
	_, err = New(keyA, keyA)
	require.ErrorContains(t, err, "the same key twice")
}

func FuzzOpen(f *testing.F) {
	s := sealer(f, keyA, keyB)
	sealed := s.Seal(5, body)
	for _, text := range []string{"", "v1.", sealed, sealed[:50], strings.ToUpper(sealed), (*Sealer)(nil).Seal(5, body)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opened, err := s.Open(5, text)
		if err == nil && strings.HasPrefix(text, version) && !bytes.Equal(opened, body) {
			t.Fatalf("%q opens to what was never sealed", text)
		}
	})
}
