package versus

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/app/lab/floor"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// TestMain makes this binary session or the floor when it is started as one:
// "session -f FILE".
func TestMain(m *testing.M) {
	serve := map[string]func(file string) error{"session": serveSession, "floor": floor.Serve}
	if len(os.Args) == 4 && os.Args[2] == "-f" && serve[os.Args[1]] != nil {
		proc.WatchParent()
		if err := serve[os.Args[1]](os.Args[3]); err != nil {
			println(err.Error())
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}

func serveSession(file string) error {
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

// small is a comparison that says nothing about speed.
func small(t *testing.T, progress io.Writer) Config {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Config{
		Dir: t.TempDir(), Session: []string{self, "session"}, Floor: []string{self, "floor"},
		Pairs: 2, Operations: 300, Callers: 8, Keys: 50,
		IdleKeys: 100, QuietKeys: 50, Quiet: 600 * time.Millisecond,
		ProfileFor: time.Second, Progress: progress,
	}
}

// named are the rows with these keys.
func named(keys ...string) (rows []Row) {
	for _, row := range Rows() {
		for _, k := range keys {
			if row.Key == k {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// Both processes really run here, and the report has the shape that it should;
// what the figures are is not looked at. Unary calls and streams, calls and pushes
// are there.
func TestComparison(t *testing.T) {
	var progress bytes.Buffer
	c := small(t, &progress)
	c.Rows, c.Idle = named("call-unary", "push"), []State{States()[0], States()[2]}
	c.ProfileDir = filepath.Join(t.TempDir(), "profiles")
	report, err := Run(t.Context(), c)
	require.NoError(t, err, progress.String())
	require.Len(t, report.Rows, 2)
	require.Zero(t, report.Lost())
	for i, row := range report.Rows {
		require.Equal(t, c.Rows[i].Key, row.Key)
		require.Len(t, row.Ratios, c.Pairs)
		require.Positive(t, row.Ratio.Min)
		for name, s := range map[string]Side{"session": row.Session, "floor": row.Floor} {
			require.Len(t, s.CPUs, c.Pairs, name)
			require.Positive(t, s.CPU.Min, name)
			require.Positive(t, s.Allocations, name)
			require.LessOrEqual(t, s.P50, s.P99, name)
			all := 0
			for _, b := range s.Latency {
				all += b.Count
			}
			require.Equal(t, c.Pairs*row.Operations, all, name)
		}
		require.InEpsilon(t, row.Session.PacketBytes, row.Floor.PacketBytes, 0.05, "%s: packets as long as session's", row.Key)
		require.InDelta(t, 1, row.Session.Packets, 0.1, "%s: a packet an operation", row.Key)
		for _, what := range []string{".cpu", ".heap", ".allocs"} {
			info, err := os.Stat(filepath.Join(c.ProfileDir, row.Key+what))
			require.NoError(t, err)
			require.Positive(t, info.Size())
		}
	}
	require.Len(t, report.Idle, 2)
	require.Positive(t, report.Idle[1].Value)
	require.Contains(t, progress.String(), "[4/4] "+States()[2].Name)
	require.Equal(t, len(c.Rows)*c.Pairs, strings.Count(progress.String(), "  pair "))

	var html bytes.Buffer
	require.NoError(t, report.HTML(&html))
	require.Equal(t, 2*len(c.Rows), strings.Count(html.String(), "<svg"))
}

// A program that cannot serve is an error with what it said, and is not waited for.
func TestProgramThatDoesNotStart(t *testing.T) {
	c := small(t, io.Discard)
	c.Rows, c.Session = named("call"), []string{"/bin/sh", "-c", "echo no such luck; exit 3", "-"}
	_, err := Run(t.Context(), c)
	require.ErrorIs(t, err, proc.ErrEnded)
	require.ErrorContains(t, err, "no such luck")
}

func TestConfigOfNoUse(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"pairs, operations":   func(c *Config) { c.Pairs = 0 },
		"no row":              func(c *Config) { c.Rows = nil },
		"idle keys":           func(c *Config) { c.Idle, c.Quiet = States(), 0 },
		"a profile takes":     func(c *Config) { c.ProfileDir, c.ProfileFor = "x", 0 },
		"callers and keys mu": func(c *Config) { c.Keys = -1 },
	} {
		t.Run(want, func(t *testing.T) {
			c := small(t, io.Discard)
			c.Rows = named("call")
			change(&c)
			_, err := Run(t.Context(), c)
			require.ErrorContains(t, err, want)
		})
	}
}
