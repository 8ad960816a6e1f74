package tl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		_, err := tl.Load("0.223.1")
		require.NoError(b, err)
	}
}
