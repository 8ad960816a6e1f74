package usage

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	text := `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
process_cpu_seconds_total 12.5
go_memstats_mallocs_total 1.5e+06
go_memstats_alloc_bytes_total 4.096e+06
session_rpc_calls_total{group="RPCUsers",code="0"} 4
`
	u, err := parse(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, Usage{Known: true, CPU: 12500 * time.Millisecond, Mallocs: 1.5e6, Bytes: 4.096e6}, u)
	require.Equal(t, Usage{Known: true, CPU: 12 * time.Second, Mallocs: 1.5e6, Bytes: 4.096e6}, u.Since(Usage{CPU: 500 * time.Millisecond}))

	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, err = Read(t.Context(), s.URL)
	require.ErrorContains(t, err, "404")
	http.DefaultClient.CloseIdleConnections()
}
