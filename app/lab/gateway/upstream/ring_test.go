package upstream_test

import (
	"math"
	"testing"

	"github.com/spaolacci/murmur3"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
)

// The placement every gateway and session node of a cluster must agree on.
func TestRingVectors(t *testing.T) {
	const a, b, c = "10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"
	r := upstream.NewRing(c, a, b) // the order of arrival plays no part
	for _, v := range []struct {
		key  int64
		text string
		hash uint64
		node string
	}{
		{0, "0", 0x2ac9debed546a380, a},
		{1, "1", 0x71fbbbfe8a7b7c71, a},
		{-1, "-1", 0xedb551f5e4c5362a, b},
		{-123, "-123", 0x4adaa78bd39f67e1, a},
		{42, "42", 0xb68fda223f324f6c, b},
		{1234567890123456789, "1234567890123456789", 0x0c722fba0a479959, b},
		{math.MinInt64, "-9223372036854775808", 0x4df5c9b71982a38d, a},
		{math.MaxInt64, "9223372036854775807", 0x636591a2ccd7073b, c},
	} {
		t.Run(v.text, func(t *testing.T) {
			require.Equal(t, v.hash, murmur3.Sum64([]byte(v.text)))
			node, ok := r.Owner(v.key)
			require.True(t, ok)
			require.Equal(t, v.node, node)
		})
	}
}

func TestEmptyRing(t *testing.T) {
	_, ok := upstream.NewRing().Owner(1)
	require.False(t, ok)
}
