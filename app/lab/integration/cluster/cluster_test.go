package cluster

import (
	"os"
	"testing"
	"time"

	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/transport"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/demo"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
)

var built servers.Binaries

func TestMain(m *testing.M) { os.Exit(servers.Main(m, &built)) }

func TestScenarioOnRealServers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		stream  bool   // between gateway, BFF and session
		session string // lines of session.yaml
		via     dcs.Protocol
	}{
		{"streams, intermediate", true, "", transport.Intermediate},
		{"unary, full", false, "UseStreamGateway: false", transport.Full},
		{"streams, abridged", true, "UseStreamGateway: true", transport.Abridged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := servers.Start(t)
			c, err := cluster.Start(t.Context(), cluster.Config{
				Dir: t.TempDir(), MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd},
				Session: []string{built.Session}, AuthSession: []string{built.AuthSession},
				SessionYAML: tc.session, StreamSession: tc.stream,
			})
			require.NoError(t, err)
			defer c.Close()
			passed, err := demo.Run(t.Context(), demo.Target{
				Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Code: bff.DefaultCode, Protocol: tc.via,
				Online: c.Online, RestartAuthSession: c.RestartAuthSession, RestartSession: c.RestartSession,
			}, func(step demo.Step) { t.Logf("%s (%s)", step.Name, step.Took.Round(time.Millisecond)) })
			require.NoError(t, err)
			require.Greater(t, passed, 20)
		})
	}
}
