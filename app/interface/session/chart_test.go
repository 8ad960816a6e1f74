package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// The file that the Helm chart makes (a test of deploy/helm keeps it) loads, listens
// where the chart's probes ask, and stops in the time that the chart gives it.
func TestTheFileOfTheChartLoads(t *testing.T) {
	var c Config
	warnings, err := conf.Load("../../../deploy/helm/testdata/session.yaml", &c)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, "0.0.0.0:20120", c.ListenOn)
	require.Equal(t, 30*time.Second, c.Shutdown.WaitTime)
	require.Equal(t, "0.0.0.0:6060/healthz", fmt.Sprint(c.DevServer.Host, ":", c.DevServer.Port, c.DevServer.HealthPath))
	require.False(t, c.DevServer.EnablePprof)
}
