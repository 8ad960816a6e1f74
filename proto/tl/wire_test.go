package tl_test

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// requireAscending checks that a message is well-formed and its field numbers never go back.
func requireAscending(t require.TestingT, b []byte) {
	last := protowire.Number(0)
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		require.Positive(t, n)
		require.GreaterOrEqual(t, num, last)
		last = num
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		require.GreaterOrEqual(t, n, 0)
		b = b[n:]
	}
}
