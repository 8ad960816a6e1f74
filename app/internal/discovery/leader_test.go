package discovery

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
)

// The leader of an etcd cluster is killed (TEST_ENGINE_EVENT does it): who is
// published stays so for all who look, and who starts afterwards is found.
func TestALeaderOfEtcdIsKilled(t *testing.T) {
	hosts := os.Getenv("TEST_ENGINE_ETCD")
	if hosts == "" {
		t.Skip("TEST_ENGINE_ETCD is not set: .ci/test-engines sets it")
	}
	c := discov.EtcdConf{Hosts: strings.Split(hosts, ","), Key: fmt.Sprintf("leader.test.%d", time.Now().UnixNano())}
	first, err := Publish(t.Context(), c, "first", 5*time.Second, nil)
	require.NoError(t, err)
	var (
		mu   sync.Mutex
		seen []string
	)
	sub, err := Subscribe(t.Context(), c, 5*time.Second, func(values []string) {
		mu.Lock()
		defer mu.Unlock()
		seen = slices.Clone(values)
	})
	require.NoError(t, err)
	defer sub.Close()
	finds := func(value string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(seen, value)
	}
	require.True(t, finds("first"))

	out, err := exec.CommandContext(t.Context(), "bash", "-c", os.Getenv("TEST_ENGINE_EVENT")).CombinedOutput()
	require.NoError(t, err, "the event did not happen: %s", out)
	began := time.Now()
	var second *Publication
	require.Eventually(t, func() bool {
		second, err = Publish(t.Context(), c, "second", 5*time.Second, nil)
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool { return finds("second") }, time.Minute, 5*time.Millisecond)
	took := time.Since(began)
	require.Never(t, func() bool { return !finds("first") }, 15*time.Second, 50*time.Millisecond, "longer than the life of a publication")
	require.NoError(t, second.Withdraw(context.WithoutCancel(t.Context())))
	require.Eventually(t, func() bool { return !finds("second") }, time.Minute, 5*time.Millisecond)
	require.NoError(t, first.Withdraw(context.WithoutCancel(t.Context())))
	line := fmt.Sprintf("a new node is found after %.1f s, one that serves was never lost from sight", took.Seconds())
	t.Log(line)
	if file := os.Getenv("TEST_ENGINE_RESULT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(line), 0o600))
	}
}
