package cluster

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
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

var update = flag.Bool("update", false, "write the table of docs/conformance.md")

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

// doc has the table of what PrintSummary writes.
const doc = "../../../../docs/conformance.md"

// inDoc finds the table: from its header to its last row.
var inDoc = regexp.MustCompile(`(?m)^\| rules \|.*\n(?:\|.*\n)+`)

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
			t.Logf("in %s", took.Round(time.Millisecond))
			if conformance.Failed(rows) {
				var table bytes.Buffer
				require.NoError(t, conformance.Print(&table, rows))
				t.Fatalf("rules fail:\n%s", table.String())
			}
			require.Less(t, took, budget)

			var summary bytes.Buffer
			require.NoError(t, conformance.PrintSummary(&summary, rows))
			if *update && !stream { // the other cluster has to agree
				page, err := os.ReadFile(doc)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(doc, inDoc.ReplaceAllLiteral(page, summary.Bytes()), 0o644))
			}
			page, err := os.ReadFile(doc)
			require.NoError(t, err)
			if table := string(inDoc.Find(page)); table != summary.String() {
				t.Errorf("docs/conformance.md has another table; go test -C app/lab ./conformance/cluster -tags=no_k8s -update writes it:\n%s",
					rowsThatDiffer(table, summary.String()))
			}
		})
	}
}

// rowsThatDiffer lists the rows that only one of two tables has: those of the page
// after -, those of this run after +.
func rowsThatDiffer(page, run string) string {
	var diff strings.Builder
	was, is := strings.Split(page, "\n"), strings.Split(run, "\n")
	for _, row := range was {
		if !slices.Contains(is, row) {
			fmt.Fprintf(&diff, "- %s\n", row)
		}
	}
	for _, row := range is {
		if !slices.Contains(was, row) {
			fmt.Fprintf(&diff, "+ %s\n", row)
		}
	}
	return diff.String()
}
