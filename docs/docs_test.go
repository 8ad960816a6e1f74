// Package docs has no code: its test holds what the project's texts say of each other.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	plain   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// texts are the Markdown files of the project, by their path from its root.
func texts(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "proto/*.md", "proto/*/*.md", "deploy/*/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			list[f] = string(text)
		}
	}
	require.Greater(t, len(list), 8)
	return list
}

// anchors are the names that headings of a text have in links, as GitHub makes them.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		names[strings.ReplaceAll(plain.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return names
}

// A link to a file of the project leads to one that is there, and to a heading that it has.
func TestLinksLeadSomewhere(t *testing.T) {
	all := texts(t)
	for from, text := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			to := m[1]
			if strings.Contains(to, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(to, "#")
			target := from
			if file != "" {
				target = filepath.Join(filepath.Dir(from), file)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s: %s", from, to)
			if anchor != "" {
				require.True(t, anchors(all[target])[anchor], "%s: %s: there is no such heading", from, to)
			}
		}
	}
}

// Each text of this folder is reached from the README, at most by way of another.
func TestEachTextIsLinked(t *testing.T) {
	all := texts(t)
	reached, next := map[string]bool{}, []string{filepath.Join("..", "README.md")}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		if reached[from] {
			continue
		}
		reached[from] = true
		for _, m := range link.FindAllStringSubmatch(all[from], -1) {
			file, _, _ := strings.Cut(m[1], "#")
			if target := filepath.Join(filepath.Dir(from), file); all[target] != "" {
				next = append(next, target)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, filepath.Join("..", "docs")) {
			require.True(t, reached[name], "%s: nothing leads there", name)
		}
	}
}

// Who opens the README reads it: long matter is in this folder.
func TestTheReadmeIsShort(t *testing.T) {
	require.LessOrEqual(t, strings.Count(texts(t)[filepath.Join("..", "README.md")], "\n"), 250)
}
