package authsession

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// The file that operators of the Helm chart start from loads, listens where the chart's
// probes ask, and stops in the time that the chart gives it.
func TestTheFileOfTheChartLoads(t *testing.T) {
	var c Config
	warnings, err := conf.Load("../../../deploy/helm/authsession.yaml", &c)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, "0.0.0.0:20450", c.ListenOn)
	require.Equal(t, 30*time.Second, c.Shutdown.WaitTime)
	require.Equal(t, "0.0.0.0:6060/healthz", fmt.Sprint(c.DevServer.Host, ":", c.DevServer.Port, c.DevServer.HealthPath))
	require.False(t, c.DevServer.EnablePprof)
}
