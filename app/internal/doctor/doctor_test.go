package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/conf"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func well(name, needs string, then ...Check) Check {
	return Check{Name: name, Needs: needs, Run: func(context.Context) Result {
		r := Well("fine")
		r.Then = then
		return r
	}}
}

func wrong(name string, grade Grade) Check {
	return Check{Name: name, Run: func(context.Context) Result { return Wrong(grade, "Mysql.DSN", "correct it", "is %s", "bad") }}
}

func linesOf(t *testing.T, checks ...Check) (Report, []string) {
	t.Helper()
	var lines []string
	path := file(t, "Name: a\nMysql:\n  DSN: x\n")
	r := Run(t.Context(), path, checks, func(l Line) {
		lines = append(lines, strings.ReplaceAll(l.String(), filepath.Dir(path)+"/", ""))
	})
	require.Len(t, r.Checks, len(lines))
	return r, lines
}

func TestLines(t *testing.T) {
	two := Check{Name: "two", Run: func(context.Context) Result {
		return Result{Findings: []Finding{{Grade: Warn, Problem: "one\x1b[2J"}, {Grade: Warn, Problem: "other", Key: "None", Fix: "go"}}}
	}}
	r, lines := linesOf(t,
		well("a", "", well("a 1", ""), well("a 2", "c")), wrong("b", Warn), well("after a warning", "b"),
		wrong("c", Fault), well("d", "c"), well("after what was skipped", "d"), two,
		Check{Name: "e", Run: func(context.Context) Result { return Result{Skipped: "nobody to ask"} }},
		well("after what cannot be told", "e"),
	)
	require.Equal(t, []string{
		"ok     a: fine",
		"ok     a 1: fine",
		"ok     a 2: fine", // what it needs has not failed yet
		"WARN   b: is bad -> c.yaml:3 Mysql.DSN: correct it",
		"ok     after a warning: fine",
		"FAULT  c: is bad -> c.yaml:3 Mysql.DSN: correct it",
		"skip   d: needs c",
		"skip   after what was skipped: needs d",
		"WARN   two: one [2J",
		"WARN   two: other -> None: go",
		"skip   e: nobody to ask",
		"ok     after what cannot be told: fine",
	}, lines)
	require.Equal(t, Fault, r.Result)
	require.Equal(t, []int{5, 3, 1, 3}, []int{r.OK, r.Warnings, r.Faults, r.Skipped})
}

// A check that does not come back does not keep the others from it, and neither
// does one that does not look at its time.
func TestEachCheckHasATimeOut(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	deaf := Check{Name: "deaf", Within: 10 * time.Millisecond, Run: func(context.Context) Result {
		<-hold
		return Well("never")
	}}
	slow := Check{Name: "slow", Within: 10 * time.Millisecond, Run: func(ctx context.Context) Result {
		<-ctx.Done()
		return Wrong(Fault, "", "", "%v", ctx.Err())
	}}
	_, lines := linesOf(t, deaf, slow, well("next", "deaf"), well("last", ""))
	require.Equal(t, []string{"FAULT  deaf: no answer within 10ms", "FAULT  slow: context deadline exceeded", "skip   next: needs deaf", "ok     last: fine"}, lines)
}

func TestConfigCheck(t *testing.T) {
	_, lines := linesOf(t, Config("c.yaml", nil, []string{"config key KV is not needed: no use"}, nil))
	require.Equal(t, []string{"ok     config: c.yaml is in order; config key KV is not needed: no use"}, lines)
	_, lines = linesOf(t,
		Config("c.yaml", []string{"config key Mysql.DSNN is not known and has no effect"}, nil, errors.Join(&conf.KeyError{Key: "Mysql.DSN", Problem: "names no database", Fix: "add it"})),
		Check{Name: "cluster", Needs: "config"})
	require.Equal(t, []string{
		"WARN   config: config key Mysql.DSNN is not known and has no effect -> c.yaml:2 Mysql.DSNN: correct it or take it out",
		"FAULT  config: Mysql.DSN names no database -> c.yaml:3 Mysql.DSN: add it",
		"skip   cluster: needs config",
	}, lines)
}

func TestCommand(t *testing.T) {
	path := file(t, "Name: a\n")
	for _, tc := range []struct {
		name     string
		args     string
		check    Check
		code     int
		out, err string
	}{
		{"well", "-f " + path, well("a", ""), 0, "ok     a: fine\n" + path + ": faults 0, warnings 0, ok 1, skipped 0\n", ""},
		{"a warning is no fault", "-f " + path, wrong("a", Warn), 0, "warnings 1", ""},
		{"fault", "-f " + path, wrong("a", Fault), 1, "FAULT  a: is bad", ""},
		{"help", "--help", well("a", ""), 0, "Usage: test doctor [flags]", ""},
		{"another word", "-f " + path + " now", well("a", ""), 2, "", `unexpected argument "now"`},
		{"another output", "-o yaml", well("a", ""), 2, "", "-o is \"yaml\""},
		{"another flag", "-x", well("a", ""), 2, "", "-x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := Command("test", strings.Fields(tc.args), &out, &errOut, func(string) []Check { return []Check{tc.check} })
			require.Equal(t, tc.code, code)
			require.Contains(t, out.String(), tc.out)
			require.Contains(t, errOut.String(), tc.err)
			require.Equal(t, tc.err == "", errOut.Len() == 0)
		})
	}
	var out bytes.Buffer
	require.Equal(t, 1, Command("test", []string{"-o", "json", "-f", path}, &out, &out, func(string) []Check { return []Check{well("a", ""), wrong("b", Fault)} }))
	var r map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.Equal(t, "fault", r["result"])
	second := r["checks"].([]any)[1].(map[string]any)
	require.GreaterOrEqual(t, second["took_ms"], 0.0) // a busy machine takes one
	delete(second, "took_ms")
	require.Equal(t, map[string]any{"check": "b", "grade": "fault", "text": "is bad", "key": "Mysql.DSN", "fix": "correct it"}, second)
}

func TestClock(t *testing.T) {
	here := time.Unix(1_800_000_000, 0)
	for _, tc := range []struct {
		name      string
		apart     time.Duration
		precision time.Duration
		way       time.Duration // there and back
		want      Grade
		text      string
	}{
		{"the same", 0, 0, 0, OK, "has this host's time"},
		{"40 s ahead", 40 * time.Second, 0, 0, Fault, "the clock of it is at least 40s ahead of this host's"},
		{"40 s behind", -40 * time.Second, 0, 0, Fault, "the clock of it is at least 40s behind this host's"},
		{"3 s ahead", 3 * time.Second, 0, 0, Warn, "3s ahead"},
		{"1 s ahead", time.Second, 0, 0, OK, ""},
		{"a slow way", 3 * time.Second, 0, 4 * time.Second, OK, ""},
		{"seconds cut off", -2500 * time.Millisecond, time.Second, 0, OK, ""},
		{"seconds cut off, and behind", -4 * time.Second, time.Second, 0, Warn, "3s behind"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := here
			clock := Clock{Now: func() time.Time { return now }, Precision: tc.precision}
			r, err := clock.Compare(t.Context(), "it", func(context.Context) (time.Time, error) {
				now = now.Add(tc.way)
				return here.Add(tc.apart), nil
			})
			require.NoError(t, err)
			if tc.want == OK {
				require.Empty(t, r.Findings)
				require.Contains(t, r.Well, tc.text)
				return
			}
			require.Equal(t, tc.want, r.Findings[0].Grade)
			require.Contains(t, r.Findings[0].Problem, tc.text)
		})
	}
	_, err := Clock{Now: time.Now}.Compare(t.Context(), "it", func(context.Context) (time.Time, error) { return time.Time{}, errors.New("away") })
	require.EqualError(t, err, "away")
}
