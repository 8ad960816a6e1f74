package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// The test binary plays both services: healthy, registered, and deaf.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[2] == "-f" {
		if err := play(os.Args[3]); err != nil {
			println(err.Error())
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}

func play(file string) error {
	var c zrpc.RpcServerConf
	if err := conf.Load(file, &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	proc.WatchParent()
	lis, err := net.Listen("tcp", c.ListenOn)
	if err != nil {
		return err
	}
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	disc, err := discovery.Dial(ctx, c.Etcd.Hosts)
	if err != nil {
		return err
	}
	defer disc.Close()
	if _, err := disc.Publish(ctx, c.Etcd.Key, c.ListenOn); err != nil {
		return err
	}
	go func() { <-ctx.Done(); srv.Stop() }()
	return srv.Serve(lis)
}

func config(t *testing.T) cluster.Config {
	t.Helper()
	return cluster.Config{
		Dir:         t.TempDir(),
		Session:     []string{os.Args[0], "session"},
		AuthSession: []string{os.Args[0], "authsession"},
	}
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestStartRestartClose(t *testing.T) {
	ctx := limited(t)
	cfg := config(t)
	c, err := cluster.Start(ctx, cfg)
	require.NoError(t, err)
	defer c.Close()

	var etcd string
	for _, p := range c.Parts() {
		require.NotEmpty(t, p.Addr, p.Name)
		if p.Name == "etcd" {
			etcd = p.Addr
		}
	}
	disc, err := discovery.Dial(ctx, []string{etcd})
	require.NoError(t, err)
	defer disc.Close()
	for _, key := range []string{"interface.session", "service.authsession", "service.status", "interface.gateway", "bff.bff"} {
		found, err := disc.Values(ctx, key)
		require.NoError(t, err)
		require.Len(t, found, 1, key)
	}
	before, err := disc.Values(ctx, "interface.session")
	require.NoError(t, err)
	require.NoError(t, c.RestartSession(ctx))
	require.NoError(t, c.RestartAuthSession(ctx))
	after, err := disc.Values(ctx, "interface.session")
	require.NoError(t, err)
	require.Equal(t, before, after, "a restarted node keeps its address")

	nc, err := net.Dial("tcp", c.Addr())
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	require.NoError(t, disc.Close())
	c.Close()
	c.Close()
	_, err = net.Dial("tcp", c.Addr())
	require.Error(t, err)

	left, err := filepath.Glob(filepath.Join(cfg.Dir, "etcd-*"))
	require.NoError(t, err)
	require.Empty(t, left)
	pem, err := os.ReadFile(c.PublicKeyPath())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(pem), "-----BEGIN RSA PUBLIC KEY-----"))
}

func TestSessionNodesComeAndGo(t *testing.T) {
	ctx := limited(t)
	cfg := config(t)
	cfg.SessionNodes = 2
	cfg.SaltLife = time.Minute
	c, err := cluster.Start(ctx, cfg)
	require.NoError(t, err)
	defer c.Close()
	nodes := func() (addrs []string) {
		for _, p := range c.Parts() {
			if p.Name == "session" {
				addrs = append(addrs, p.Addr)
			}
		}
		return addrs
	}
	healthy := func(addr string) bool {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err == nil
	}
	first := nodes()
	require.Len(t, first, 2)
	require.NoError(t, c.KillSession(ctx))
	require.Equal(t, first, nodes(), "nodes that were killed come back where they were")
	require.NoError(t, c.AddSession(ctx))
	require.Len(t, nodes(), 3)
	for _, addr := range nodes() {
		require.True(t, healthy(addr))
	}
	third := nodes()[2]
	require.NoError(t, c.RemoveSession(ctx))
	require.Equal(t, first, nodes())
	require.False(t, healthy(third))
	require.NoError(t, c.RemoveSession(ctx))
	require.ErrorContains(t, c.RemoveSession(ctx), "last session node")

	yaml, err := os.ReadFile(filepath.Join(cfg.Dir, "service.authsession.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(yaml), "Salts:\n  Life: 1m0s\n")
}

// With a console both commands of operators find the cluster: authsession ctl and, for
// each session node, session ctl.
func TestConsoleOpensWhatCtlNeeds(t *testing.T) {
	ctx := limited(t)
	cfg := config(t)
	cfg.SessionNodes = 2
	var err error
	cfg.Console, err = proc.FreeAddr()
	require.NoError(t, err)
	c, err := cluster.Start(ctx, cfg)
	require.NoError(t, err)
	defer c.Close()
	var auth struct {
		Admin struct {
			ListenOn string
			Rest     struct{ Port int }
		}
	}
	require.NoError(t, conf.Load(filepath.Join(cfg.Dir, "service.authsession.yaml"), &auth))
	require.Equal(t, c.AdminAddr(), auth.Admin.ListenOn)
	require.Equal(t, cfg.Console, fmt.Sprint("127.0.0.1:", auth.Admin.Rest.Port))
	require.Len(t, c.DevServers(), 2)
	for i, name := range []string{"interface.session.yaml", "interface.session-2.yaml"} {
		var node struct {
			DevServer struct {
				Enabled bool
				Port    int
			}
		}
		require.NoError(t, conf.Load(filepath.Join(cfg.Dir, name), &node))
		require.True(t, node.DevServer.Enabled)
		require.Equal(t, c.DevServers()[i], fmt.Sprint("127.0.0.1:", node.DevServer.Port))
	}
}

func TestEntryDataCentre(t *testing.T) {
	ctx := limited(t)
	for _, tc := range []struct {
		name     string
		dc       int
		gateways int
	}{{"none", 0, 1}, {"data centre 1", 1, 2}} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := config(t)
			cfg.EntryDC = tc.dc
			c, err := cluster.Start(ctx, cfg)
			require.NoError(t, err)
			defer c.Close()
			gateways, etcd := []string{}, ""
			for _, p := range c.Parts() {
				switch {
				case p.Name == "gateway, for clients", strings.HasPrefix(p.Name, "gateway of data centre"):
					gateways = append(gateways, p.Addr)
				case p.Name == "etcd":
					etcd = p.Addr
				}
			}
			require.Len(t, gateways, tc.gateways)
			if tc.dc != 0 {
				require.Equal(t, c.EntryAddr(), gateways[1])
			} else {
				require.Empty(t, c.EntryAddr())
			}
			disc, err := discovery.Dial(ctx, []string{etcd})
			require.NoError(t, err)
			defer disc.Close()
			found, err := disc.Values(ctx, "interface.gateway")
			require.NoError(t, err)
			require.Len(t, found, tc.gateways, "session nodes find them")
		})
	}
}

func TestServiceThatDoesNotStart(t *testing.T) {
	cfg := config(t)
	cfg.SessionYAML = "ListenOn: [no, address]"
	begin := time.Now()
	_, err := cluster.Start(limited(t), cfg)
	require.ErrorIs(t, err, proc.ErrEnded)
	require.ErrorContains(t, err, "interface.session")
	require.Less(t, time.Since(begin), 20*time.Second)
}
