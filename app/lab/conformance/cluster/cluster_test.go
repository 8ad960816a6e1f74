package cluster

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/conformance"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/app/service/authsession"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The test binary is session and authsession too, in processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[2] == "-f" {
		proc.WatchParent()
		if err := be(os.Args[1], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}

func be(program, file string) error {
	if program == "session" {
		var c session.Config
		if _, err := conf.Load(file, &c); err != nil {
			return err
		}
		s, err := session.New(c)
		if err != nil {
			return err
		}
		return rpcserver.Run(s, rpcserver.Budget(c.RpcServerConf), nil)
	}
	var c authsession.Config
	if _, err := conf.Load(file, &c); err != nil {
		return err
	}
	s, err := authsession.New(c)
	if err != nil {
		return err
	}
	return rpcserver.Run(s, s.Budget(), nil)
}

// How long the suite may take against a server at hand, and one answer of it,
// when everything runs under the race detector on two cores that are busy with
// other tests. It takes half a minute when they are not.
const (
	budget   = 5 * time.Minute
	patience = 30 * time.Second
	slowTime = 3 * time.Second // less than session waits for a BFF

	passwordPhone = "99966008"
)

// No rule fails, and docs/conformance.md says how many are asked about.
func TestConformance(t *testing.T) {
	logx.Disable()
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream=%t", stream), func(t *testing.T) {
			c, err := cluster.Start(t.Context(), cluster.Config{
				Dir:           t.TempDir(),
				Session:       []string{os.Args[0], "session"},
				AuthSession:   []string{os.Args[0], "authsession"},
				Passwords:     map[string]string{passwordPhone: "hunter2"},
				Slow:          map[string]time.Duration{bff.SlowMethod: slowTime},
				StreamSession: stream,
				PingGrace:     time.Second,
			})
			require.NoError(t, err)
			defer c.Close()
			begin := time.Now()
			rows, err := conformance.Run(t.Context(), &conformance.Target{
				Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Phone: "99966007", Code: bff.DefaultCode,
				PasswordPhone: passwordPhone, SlowMethod: bff.SlowMethod, Patience: patience,
			})
			require.NoError(t, err)
			took := time.Since(begin)

			var table bytes.Buffer
			require.NoError(t, conformance.Print(&table, rows))
			t.Logf("in %s\n%s", took.Round(time.Millisecond), table.String())
			var why strings.Builder
			for _, r := range rows {
				if r.Status == conformance.Fail {
					fmt.Fprintf(&why, "%s: %s\n", r.Rule, r.Detail)
				}
			}
			require.Empty(t, why.String(), "the rules that fail")
			require.Less(t, took, budget)

			var summary bytes.Buffer
			require.NoError(t, conformance.PrintSummary(&summary, rows))
			golden := filepath.Join("testdata", "summary.md")
			if *update {
				require.NoError(t, os.WriteFile(golden, summary.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), summary.String())
			doc, err := os.ReadFile("../../../../docs/conformance.md")
			require.NoError(t, err)
			require.Contains(t, string(doc), string(want), "docs/conformance.md shows another table")
		})
	}
}
