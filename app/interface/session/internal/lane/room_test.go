package lane

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoom(t *testing.T) {
	r := NewRoom(10)
	require.True(t, r.Take(11), "one always fits")
	require.False(t, r.Take(1))
	require.True(t, r.Take(0), "what weighs nothing takes no room")
	r.Leave(11)
	require.True(t, r.Take(6))
	require.False(t, r.Take(5))
	require.True(t, r.Take(4))
	require.Equal(t, 10, r.Held())

	boundless := NewRoom(0)
	require.True(t, boundless.Take(1))
	require.True(t, boundless.Take(1<<40))
}
