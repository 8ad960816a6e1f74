package runloop

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/logx/logtest"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

// A client that asked for what its layer lacks had a line written for each call.
func TestFaultsDoNotFillTheLog(t *testing.T) {
	logx.SetLevel(logx.ErrorLevel)
	t.Cleanup(logx.Disable)
	log := logtest.NewCollector(t)
	fault := func(what string, m *tl.Method) sess.Fault {
		return sess.Fault{What: what, Method: m, Err: errors.New("x")}
	}
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in.(*sess.Data).Salt {
		case 1:
			out.Faults = append(out.Faults, fault("result", &tl.Method{Name: "users.getUsers"}))
		case 2:
			out.Faults = append(out.Faults, fault("result", &tl.Method{Name: "users.getFullUser"}), fault("updates", nil))
		case 3:
			panic("defect")
		}
	}))
	for range 1000 {
		require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
		require.NoError(t, n.Post(2, false, &sess.Data{Salt: 3}))
		n.Wait()
	}
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	n.Wait()
	lines := func(text string) int { return strings.Count(log.String(), text) }
	require.NotZero(t, lines("users.getUsers"))
	require.LessOrEqual(t, lines("users.getUsers"), 20, "one a second")
	require.LessOrEqual(t, lines("panic in"), 20)
	require.Equal(t, 1, lines("users.getFullUser"), "another fault is not hidden")
	require.Equal(t, 1, lines("updates (method -)"))
}
