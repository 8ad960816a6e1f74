package gate

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/embedded"
	"github.com/tgsession/tgsession/app/lab/proc"
)

func TestServe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	etcd, err := embedded.StartEtcd(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	clients, err := proc.FreeAddr()
	require.NoError(t, err)
	rpc, err := proc.FreeAddr()
	require.NoError(t, err)
	c := Config{Listen: clients, RPC: rpc, Key: filepath.Join(t.TempDir(), "rsa.pem"), DC: 2, Etcd: []string{etcd.Addr()}}

	life, end := context.WithCancel(ctx)
	defer end()
	served := make(chan error, 1)
	go func() { served <- c.serve(life) }()
	disc, err := discovery.Dial(ctx, c.Etcd)
	require.NoError(t, err)
	t.Cleanup(func() { _ = disc.Close() })
	found := func() []string {
		at, err := disc.Values(ctx, gatewayKey)
		require.NoError(t, err)
		return at
	}
	require.Eventually(t, func() bool { return len(found()) > 0 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, []string{rpc}, found())
	conn, err := net.Dial("tcp", clients)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	end()
	require.NoError(t, <-served)
	require.Empty(t, found(), "who ends is withdrawn")
}

func TestFilesOfNoUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.ErrorContains(t, Serve(file), "no such file")
	require.NoError(t, os.WriteFile(file, []byte("Listen: here"), 0o600))
	require.ErrorContains(t, Serve(file), "invalid character")
}
