package docs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	term = regexp.MustCompile(`^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)
	code = regexp.MustCompile("`([^`]+)`")
	word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
)

// A glossary that names what was renamed sends its reader astray: each identifier of
// its last column is a word of the code.
func TestGlossaryNamesWhatThereIs(t *testing.T) {
	words := map[string]bool{"PEERS.md": true, "x-session-forwarded": false}
	for name, text := range tree(t) {
		if strings.HasSuffix(name, ".md") || strings.HasPrefix(name, "../docs") {
			continue
		}
		for _, w := range word.FindAllString(text, -1) {
			words[w] = true
		}
		if strings.Contains(text, `"x-session-forwarded"`) {
			words["x-session-forwarded"] = true
		}
	}
	terms := 0
	for _, line := range strings.Split(read(t, "glossary.md"), "\n") {
		m := term.FindStringSubmatch(line)
		if m == nil || m[1] == "Term" || m[1] == "---" {
			continue
		}
		terms++
		names := code.FindAllStringSubmatch(m[3], -1)
		require.NotEmpty(t, names, "%s names nothing of the code", m[1])
		for _, name := range names {
			require.True(t, words[name[1]], "%s: there is no %s", m[1], name[1])
		}
	}
	require.Greater(t, terms, 50)
}
