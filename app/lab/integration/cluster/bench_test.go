package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/bench"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// Under load nothing fails and no push is lost, and the report knows what the
// session process used.
func TestLoadOnRealServers(t *testing.T) {
	s := servers.Start(t)
	metrics, err := proc.FreeAddr()
	require.NoError(t, err)
	host, port, _ := strings.Cut(metrics, ":")
	c, err := cluster.Start(t.Context(), cluster.Config{
		Dir: t.TempDir(), MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd},
		Session: []string{built.Session}, AuthSession: []string{built.AuthSession},
		SessionYAML:   "DevServer: {Enabled: true, Host: " + host + ", Port: " + port + "}",
		StreamSession: true,
	})
	require.NoError(t, err)
	defer c.Close()
	report, err := bench.Run(t.Context(), bench.Config{
		Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Phone: "99966", Code: bff.DefaultCode,
		Clients: 8, Duration: 2 * time.Second, Rate: 200, Mix: bench.Mix{6, 3, 1},
		Metrics: "http://" + metrics + "/metrics",
	})
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, report.Print(&text))
	t.Log(text.String())
	require.Zero(t, report.Errors())
	require.Contains(t, text.String(), "CPU seconds")
	for _, row := range report.Rows {
		require.Positive(t, row.Count, row.Kind)
	}
}
