package sess

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// compared is a word that the code of transcripts looks for: in a case, a comparison or a look at arguments.
	compared  = regexp.MustCompile(`(?m)^\t+case ("[^:]+"):|[!=]= ("[a-z][^"]*")|Args?\((?:t, )?("[^"]+")`)
	firstCell = regexp.MustCompile("(?m)^\\| (`.*?) \\|")
	// listed is a word of the language in a page: values are in capitals.
	listed = regexp.MustCompile(`\b[a-z][\w.-]*`)
)

// testdata/README.md has all words of transcripts that the code knows, and no others.
func TestReadmeHasTheWordsOfTranscripts(t *testing.T) {
	page, err := os.ReadFile("testdata/README.md")
	require.NoError(t, err)
	inputs, _, ok := strings.Cut(string(page), "## Outputs")
	require.True(t, ok)
	var there, here []string
	for _, cell := range firstCell.FindAllStringSubmatch(inputs, -1) {
		there = append(there, listed.FindAllString(cell[1], -1)...)
	}
	for _, file := range []string{"transcript_test.go", "transcript_input_test.go"} {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range compared.FindAllStringSubmatch(string(code), -1) {
			for _, word := range strings.Split(m[1]+m[2]+m[3], ", ") {
				here = append(here, strings.Trim(word, `"`))
			}
		}
	}
	unique := func(words []string) []string {
		slices.Sort(words)
		return slices.Compact(words)
	}
	require.Equal(t, unique(here), unique(there))
}
