package sess

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every rule that binds a session server has a transcript, or a reason.
func TestEveryRuleHasATranscript(t *testing.T) {
	id := regexp.MustCompile(`\b([A-Z]+)-(\d+)(?: to [A-Z]+-(\d+))?`)
	shown := map[string]bool{}
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(line, "#") {
				continue
			}
			for _, m := range id.FindAllStringSubmatch(line, -1) {
				for n := atoi(t, m[2]); n <= max(atoi(t, m[2]), atoi(t, m[3])); n++ {
					shown[fmt.Sprintf("%s-%d", m[1], n)] = true
				}
			}
		}
	}
	rules, err := os.Open("testdata/rules.txt")
	require.NoError(t, err)
	defer rules.Close()
	entry := regexp.MustCompile(`^([A-Z]+)-(\d+)(?:\.\.(\d+))?(?: (.+))?$`)
	known, elsewhere := 0, 0
	for lines := bufio.NewScanner(rules); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		m := entry.FindStringSubmatch(lines.Text())
		require.NotNil(t, m, lines.Text())
		for n := atoi(t, m[2]); n <= max(atoi(t, m[2]), atoi(t, m[3])); n++ {
			known++
			rule := fmt.Sprintf("%s-%d", m[1], n)
			if m[4] != "" {
				elsewhere++
				continue
			}
			if !shown[rule] {
				t.Errorf("%s has no transcript", rule)
			}
		}
	}
	t.Logf("%d rules, %d of them shown elsewhere or not ours", known, elsewhere)
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
