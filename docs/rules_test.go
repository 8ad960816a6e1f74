package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the column of docs/rules.md that says what shows a rule")

const (
	rulesFile   = "rules.md"
	transcripts = "../app/interface/session/internal/sess/testdata/transcripts"
	conformance = "../app/lab/conformance"
)

var (
	// ruleRow is a line of rules.md: id, statement, remark, what shows the rule.
	ruleRow = regexp.MustCompile(`^\| \[?([A-Z]+-\d+)(?:\]\(https://core\.telegram\.org/\S+\))? \| (\S.*?) \| (.*?) ?\| (.*?) ?\|$`)
	// cited is an id, or a range of them, in any text: MSGID-2, KEY-1..22, SALT-4 to SALT-6.
	cited = regexp.MustCompile(`\b(KEY|PFS|ENC|SALT|SESS|MSGID|SEQ|CONT|COPY|GZIP|ACK|RPC|STATE|BAD|PING|HTTP|AFTER|INIT|UPD|ERR|TR|CLIENT)-(\d+)(?:(?:\.\.| to (?:[A-Z]+-)?)(\d+))?\b`)
	// checked are the ids of one check of lab conformance, or those that several have in common.
	checked = regexp.MustCompile(`" ?([A-Z]+-\d+(?: [A-Z]+-\d+)*)"`)
)

// mtprotoRule is one row of rules.md.
type mtprotoRule struct {
	id, remark, shown string
	line              int
}

// rules returns the rows of rules.md, and all lines of it.
func rules(t *testing.T) ([]mtprotoRule, []string) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	var rows []mtprotoRule
	for n, line := range lines {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Rule |") {
			continue
		}
		m := ruleRow.FindStringSubmatch(line)
		require.NotNil(t, m, "%s:%d is no row of four columns: %s", rulesFile, n+1, line)
		rows = append(rows, mtprotoRule{id: m[1], remark: m[3], shown: m[4], line: n})
	}
	require.Greater(t, len(rows), 200)
	return rows, lines
}

// ids are the rules that a text cites; a range counts as all of its rules.
func ids(t *testing.T, text string) (list []string) {
	t.Helper()
	for _, m := range cited.FindAllStringSubmatch(text, -1) {
		first, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		last := first
		if m[3] != "" {
			last, err = strconv.Atoi(m[3])
			require.NoError(t, err)
		}
		for n := first; n <= last; n++ {
			list = append(list, fmt.Sprintf("%s-%d", m[1], n))
		}
	}
	return list
}

// read returns the text of a file.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// shownBy finds what shows each rule: the transcripts whose headings name it, and the
// number of checks that lab conformance has.
func shownBy(t *testing.T) map[string]string {
	t.Helper()
	shown := map[string][]string{}
	files, err := filepath.Glob(transcripts + "/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		seen := map[string]bool{}
		for _, line := range strings.Split(read(t, name), "\n") {
			if !strings.HasPrefix(line, "#") {
				continue
			}
			for _, id := range ids(t, line) {
				if !seen[id] {
					seen[id] = true
					shown[id] = append(shown[id], "`"+strings.TrimSuffix(filepath.Base(name), ".txt")+"`")
				}
			}
		}
	}
	checks := map[string]int{}
	files, err = filepath.Glob(conformance + "/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range checked.FindAllStringSubmatch(read(t, name), -1) {
			for _, id := range strings.Fields(m[1]) {
				checks[id]++
			}
		}
	}
	texts := map[string]string{}
	for id, names := range shown {
		texts[id] = strings.Join(names, ", ")
	}
	for id, n := range checks {
		if texts[id] != "" {
			texts[id] += "; "
		}
		texts[id] += fmt.Sprintf("lab %d", n)
	}
	return texts
}

// The last column of rules.md says what shows a rule. A rule that no transcript shows
// has a remark that says why.
func TestRulesSayWhatShowsThem(t *testing.T) {
	rows, lines := rules(t)
	shown := shownBy(t)
	if *update {
		for _, r := range rows {
			cells := strings.Split(lines[r.line], " |")
			end := ""
			if shown[r.id] != "" {
				end = " " + shown[r.id]
			}
			lines[r.line] = strings.Join(cells[:3], " |") + " |" + end + " |"
		}
		require.NoError(t, os.WriteFile(rulesFile, []byte(strings.Join(lines, "\n")), 0o644))
		rows, _ = rules(t)
	}
	for _, r := range rows {
		require.Equal(t, shown[r.id], r.shown, "%s: run go test ./docs -run Rules -update", r.id)
		require.True(t, strings.Contains(r.shown, "`") || r.remark != "", "%s has no transcript: say in its remark why, or who keeps the rule", r.id)
	}
}

// Who meets an id finds it in rules.md, and each rule of rules.md is cited somewhere:
// by a comment, a test, a transcript or a check.
func TestRulesAreThoseThatAreCited(t *testing.T) {
	rows, _ := rules(t)
	known, used := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		require.False(t, known[r.id], "%s is there twice", r.id)
		known[r.id] = true
	}
	for name, text := range tree(t) {
		for _, id := range ids(t, text) {
			require.True(t, known[id], "%s cites %s, which docs/rules.md does not explain", name, id)
			used[id] = used[id] || filepath.Base(name) != "rules.txt" // a list of all rules is no citation
		}
	}
	for _, r := range rows {
		require.True(t, used[r.id] || r.remark != "", "%s: nothing cites it, and no remark says why", r.id)
	}
}

// lab conformance, a module of its own, has a list of the same rules with titles for
// its report.
func TestRulesOfTheLabAreThese(t *testing.T) {
	rows, _ := rules(t)
	var here, there []string
	for _, r := range rows {
		here = append(here, r.id)
	}
	for _, line := range strings.Split(read(t, conformance+"/rules.txt"), "\n") {
		if id, _, ok := strings.Cut(line, " | "); ok {
			there = append(there, ids(t, id)...)
		}
	}
	require.ElementsMatch(t, here, there)
}
