package docs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chapterRow is a line of the table in conformance.md: chapter, pass, fail, skip.
var chapterRow = regexp.MustCompile(`(?m)^\| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$`)

// The table of conformance.md counts all rules of rules.md, and README has its sums.
func TestReadmeSumsUpConformance(t *testing.T) {
	var sums [3]int
	for _, row := range chapterRow.FindAllStringSubmatch(read(t, "conformance.md"), -1) {
		for i, cell := range row[1:] {
			n, err := strconv.Atoi(cell)
			require.NoError(t, err)
			sums[i] += n
		}
	}
	rows, _ := rules(t)
	require.Equal(t, len(rows), sums[0]+sums[1]+sums[2],
		"docs/conformance.md lacks rules: run go test -C app/lab ./conformance/cluster -tags=no_k8s -update")
	require.Zero(t, sums[1])
	sentence := fmt.Sprintf("%d pass, none fails, %d cannot be judged from outside", sums[0], sums[2])
	require.True(t, strings.Contains(strings.Join(strings.Fields(read(t, "../README.md")), " "), sentence),
		"README.md, at `lab conformance`: write %q", sentence)
}
