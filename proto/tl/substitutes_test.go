package tl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every entry of the reviewed lists names what exists, and can be written from nothing.
func TestSubstituteLists(t *testing.T) {
	s, err := Load(Default)
	require.NoError(t, err)
	writable := func(t *testing.T, m *Message, pred *predicate) {
		require.NotNil(t, pred)
		out := &toTL{s: s}
		for layer := range s.maxLayer - s.minLayer + 1 {
			if p := pred.at(layer); p != nil {
				out.layer = layer
				require.Positive(t, out.body(p, nil, 0, 0, 0), "%s at %d: %v", pred.name, s.minLayer+layer, out.err)
			}
		}
	}
	for name, preds := range lackingInLayer {
		t.Run("lacking "+name, func(t *testing.T) {
			m := s.messages[name]
			require.NotNil(t, m)
			require.Len(t, m.lacking, len(preds))
			for _, p := range m.lacking {
				writable(t, m, p)
			}
		})
	}
	for name := range absentObject {
		t.Run("absent "+name, func(t *testing.T) {
			m := s.messages[name]
			require.NotNil(t, m)
			writable(t, m, m.absent)
		})
	}
	for _, name := range dropFromVector {
		require.NotNil(t, s.messages[name], name)
	}
}
