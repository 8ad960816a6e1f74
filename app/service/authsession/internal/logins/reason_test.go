package logins

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An operator who reads why a login ended finds the word in docs/admin.md.
func TestReasonsStandInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../../../../docs/admin.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Why a login ended\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		explained = append(explained, row[1])
	}
	words := slices.DeleteFunc(slices.Collect(maps.Values(reasonNames)), func(word string) bool { return word == "" })
	require.ElementsMatch(t, words, explained)
}
