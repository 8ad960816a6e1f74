//go:build !race

// The race detector makes sync.Pool forget.
package dispatch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

func TestAllocationsOfAHeader(t *testing.T) {
	m := &sess.Meta{ClientAddr: "203.0.113.9", AuthKeyID: 1, PermAuthKeyID: 2, SessionID: 3, MsgID: 4, Client: "tdesktop", Takeout: &sess.Takeout{ID: 1, HasRange: true, MaxID: 9}}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = callerHeader("10.0.0.1:20120", m) }), 1.0)
}
