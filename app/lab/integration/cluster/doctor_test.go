package cluster

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
)

// A cluster that works gives the doctors nothing to complain of.
func TestDoctorsOfAHealthyCluster(t *testing.T) {
	s := servers.Start(t)
	dir := t.TempDir()
	c, err := cluster.Start(t.Context(), cluster.Config{
		Dir: dir, MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd}, SessionNodes: 2,
		Session: []string{built.Session}, AuthSession: []string{built.AuthSession},
	})
	require.NoError(t, err)
	defer c.Close()
	for program, name := range map[string]string{built.Session: "interface.session.yaml", built.AuthSession: "service.authsession.yaml"} {
		out, err := exec.Command(program, "doctor", "-f", filepath.Join(dir, name)).CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		require.Regexp(t, `faults 0, warnings 0, ok \d+, skipped 0\n$`, string(out))
	}
}
