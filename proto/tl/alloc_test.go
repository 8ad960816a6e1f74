package tl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// Once dst has room, a call allocates nothing, in neither direction.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	s := load(t, tl.Default)
	for _, p := range payloads(t) {
		m := s.Message(p.message)
		pb, _, err := s.Decode(nil, m, p.tl)
		require.NoError(t, err)
		out, err := s.Encode(nil, m, pb, s.MaxLayer())
		require.NoError(t, err)

		require.Zero(t, testing.AllocsPerRun(100, func() { pb, _, _ = s.Decode(pb[:0], m, p.tl) }), p.name)
		require.Zero(t, testing.AllocsPerRun(100, func() { out, _ = s.Encode(out[:0], m, pb, s.MaxLayer()) }), p.name)
	}
}
