package conformance

import (
	"bytes"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/conformance/wire"
	"github.com/tgsession/tgsession/app/lab/conformance/wiretest"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

var update = flag.Bool("update", false, "rewrite the golden files")

// Every rule has a check, is seen in passing, or says why not; and no check is
// about a rule that there is not.
func TestRulesAndChecksFit(t *testing.T) {
	rules, err := parseRules(rulesText)
	require.NoError(t, err)
	known, asked := map[string]bool{}, map[string]bool{}
	for _, c := range checks() {
		require.NotEmpty(t, c.title)
		require.NotEmpty(t, c.ids(), c.title)
		for _, id := range c.ids() {
			asked[id] = true
		}
	}
	for _, id := range strings.Fields(passive) {
		asked[id] = true
	}
	for _, r := range rules {
		require.False(t, known[r.id], "%s stands twice", r.id)
		known[r.id] = true
		require.NotEqual(t, asked[r.id], r.why != "", "%s: either a check or a reason", r.id)
	}
	for id := range asked {
		require.True(t, known[id], "no rule %s", id)
	}
}

func TestParseRules(t *testing.T) {
	rules, err := parseRules("# One\nA-1..2 | both | because\n\n# Two\nB-7 | alone\n")
	require.NoError(t, err)
	require.Equal(t, []rule{{"A-1", "One", "both", "because"}, {"A-2", "One", "both", "because"}, {"B-7", "Two", "alone", ""}}, rules)
	_, err = parseRules("A-1 nothing")
	require.ErrorContains(t, err, "A-1 nothing")
}

func rows() []Row {
	rules, _ := parseRules("# Pings\nPING-1 | pong\nPING-2 | a delay\n# Order\nAFTER-1 | after\nAFTER-2 | failed\nAFTER-3 | late | needs a slow call\nAFTER-4 | seen")
	all := func(string) bool { return true }
	return table(all, rules, []verdict{
		{check: check{rules: "PING-1", title: "a ping"}, notes: []wire.NoteError{{Rule: "AFTER-4", Text: "seen in passing"}}},
		{check: check{rules: "PING-1 PING-2", title: "two\n seconds"}, failure: "expected an end, got none"},
		{check: check{rules: "AFTER-1", title: "again"}},
		{check: check{rules: "AFTER-1", title: "with a user"}, skipped: "needs --phone"},
		{check: check{rules: "AFTER-2", title: "with a user"}, skipped: "needs --phone"},
		{check: check{rules: "AFTER-2", title: "after a slow call"}, skipped: "needs --slow-method"},
		{check: check{rules: "AFTER-2", title: "with another user"}, skipped: "needs --phone"},
		{check: check{rules: "AFTER-4", title: "fine"}},
	})
}

// One failed check fails its rules, one that passed is enough where another
// was skipped, and what was seen in passing counts too.
func TestTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Print(&out, rows()))
	golden := filepath.Join("testdata", "table.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	require.True(t, Failed(rows()))
	require.False(t, Failed(rows()[2:3]))
}

func TestSummary(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, PrintSummary(&out, rows()))
	require.Equal(t, "| rules | pass | fail | skip |\n|---|---|---|---|\n| Pings | 0 | 2 | 0 |\n| Order | 1 | 1 | 2 |\n", out.String())
}

func TestTableAsJSON(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, PrintJSON(&out, rows()))
	var back []Row
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Equal(t, rows(), back)
}

// A server's words stay on their line, however many.
func TestOneLine(t *testing.T) {
	got := oneLine("a\nb\xff " + strings.Repeat("é", 1000))
	require.True(t, strings.HasPrefix(got, "a b? é"), got)
	require.Equal(t, maxDetail+1, len([]rune(got)))
}

func TestExitCodes(t *testing.T) {
	notKey := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(notKey, []byte("no key"), 0o600))
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"nothing", nil, exitUsage},
		{"help", []string{"--help"}, exitOK},
		{"no key", []string{"--addr", "127.0.0.1:1"}, exitUsage},
		{"a key that is none", []string{"--addr", "127.0.0.1:1", "--rsa-key", notKey}, exitUsage},
		{"a file that is none", []string{"--addr", "127.0.0.1:1", "--rsa-key", notKey + "x"}, exitUsage},
		{"a phone without a code", []string{"--addr", "a", "--rsa-key", "b", "--phone", "1"}, exitUsage},
		{"a phone with a password and without a code", []string{"--addr", "a", "--rsa-key", "b", "--password-phone", "1"}, exitUsage},
		{"a regexp that is none", []string{"--addr", "a", "--rsa-key", "b", "--test", "("}, exitUsage},
		{"a word too many", []string{"--addr", "a", "--rsa-key", "b", "c"}, exitUsage},
		{"a slow method that is none", []string{"--addr", "a", "--rsa-key", "b", "--slow-method", "help.getSlow"}, exitUsage},
		{"data centre 0", []string{"--addr", "a", "--rsa-key", "b", "--dc", "0"}, exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, c.want, Main(c.args, &out, &errs))
			require.Empty(t, out.String())
			require.NotEmpty(t, errs.String())
		})
	}
}

// A server that makes keys and hangs up on everything else fails what needs an
// answer, soon, and nothing is left running.
func TestServerThatHangsUp(t *testing.T) {
	target := &Target{Addr: wiretest.ServeKeys(t, nil), Key: &wiretest.RSAKey().PublicKey, DC: 2, Only: regexp.MustCompile("^(KEY-2|KEY-7|ENC-2|PING-1|RPC|UPD-1|CONT-8)")}
	rows, err := Run(t.Context(), target)
	require.NoError(t, err)
	got := map[string]Row{}
	for _, r := range rows {
		got[r.Rule] = r
	}
	require.Equal(t, Pass, got["KEY-2"].Status)
	require.Equal(t, Pass, got["KEY-7"].Status)
	require.Equal(t, Fail, got["PING-1"].Status)
	require.Contains(t, got["PING-1"].Detail, "a ping: expected an answer, got")
	require.Equal(t, Fail, got["RPC-1"].Status)
	require.Equal(t, Skip, got["ENC-2"].Status, "nothing came that could have been wrong")
	require.Equal(t, Skip, got["UPD-1"].Status)
	require.Equal(t, "needs --phone and --code", got["UPD-1"].Detail)
	require.NotContains(t, got, "SALT-1", "nobody asked for it")
}

func TestNobodyThere(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, lis.Close())
	_, err = Run(t.Context(), &Target{Addr: lis.Addr().String(), Key: &wiretest.RSAKey().PublicKey, DC: 2})
	require.ErrorContains(t, err, "no key exchange with 127.0.0.1")
}
