package tlset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

func TestArchive(t *testing.T) {
	first, second, third := "tlset 1.10 layers 1-2\nunion A\n", "tlset 1.1 layers 1-2\nunion B\n", "tlset 1.2 layers 1-2\n"
	packed, err := tlset.Archive([]byte(first), []byte(second), []byte(third))
	require.NoError(t, err)
	for release, want := range map[string]string{"1.10": first, "1.1": second, "1.2": third} {
		got, err := tlset.Extract(packed, release)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	texts, err := tlset.Texts(packed)
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte(first), []byte(second), []byte(third)}, texts)
	for _, none := range []string{"1", "", "union", "1.3", "1.1 layers"} {
		_, err = tlset.Extract(packed, none)
		require.ErrorIs(t, err, tlset.ErrNotThere, none)
	}
	_, err = tlset.Extract(packed[:len(packed)-3], "1.1")
	require.Error(t, err)
	_, err = tlset.Archive(make([]byte, 20<<20), make([]byte, 20<<20))
	require.ErrorContains(t, err, "are more than")
}
