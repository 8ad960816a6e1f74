package sess

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A session that is gone and comes again at once, while the clock stands still,
// does not use its message ids twice.
func TestIDsOfASessionThatComesAgain(t *testing.T) {
	x := newWorld(t, false)
	seen := map[int64]bool{}
	for range 20 {
		x.recv(1, tlPing(1))
		for _, m := range x.take() {
			require.False(t, seen[m.ID])
			seen[m.ID] = true
		}
		x.recv(2, tlLong(tlID(wire.IDDestroySession), 1))
		x.take()
		x.seqs[1] = 0
	}
}
