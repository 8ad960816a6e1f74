package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reading are commands that change nothing, as they may stand in the pages below: who is
// in a hurry copies what stands in a block.
var reading = []*regexp.Regexp{
	regexp.MustCompile(`^(session|authsession) doctor -f \S+$`),
	regexp.MustCompile(`^(session|authsession) -f \S+ -print-config$`),
	regexp.MustCompile(`^(session|authsession) -version$`),
	regexp.MustCompile(`^authsession -f \S+ -migrate -print$`),
	regexp.MustCompile(`^authsession ctl (list|get|audit|events) [^;|>&]*$`),
	regexp.MustCompile(`^session ctl ended -f \S+ --key KEY$`),
	regexp.MustCompile(`^etcdctl get --prefix \S+$`),
	regexp.MustCompile(`^redis-cli -h HOST (config get|info) [a-z-]+$`),
	regexp.MustCompile(`^mysqldump --single-transaction --source-data=2 --databases \w+$`),
}

var shell = regexp.MustCompile("(?ms)^```bash\n(.*?)^```$")

// What stands in a shell block of the pages for operators can be run at any time.
func TestShellBlocksOnlyRead(t *testing.T) {
	all := texts(t)
	for _, page := range []string{"operations.md", "upgrading.md", "backup.md", "configuration.md"} {
		text := all[filepath.Join("..", "docs", page)]
		require.NotEmpty(t, text, page)
		require.Equal(t, strings.Count(text, "\n```")/2, len(shell.FindAllString(text, -1)), "%s: a block that is no bash", page)
		for _, block := range shell.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				found := false
				for _, pattern := range reading {
					found = found || pattern.MatchString(strings.TrimSpace(line))
				}
				require.True(t, found, "%s: %q may change something", page, line)
			}
		}
	}
}

// quoted is a cell with a line of the log: what varies in it is an ellipsis.
var quoted = regexp.MustCompile("(?m)^\\| `([^`]*…[^`]*)` \\|")

// The log lines that operations.md has an operator look for are in the code.
func TestLogLinesAreThoseOfTheCode(t *testing.T) {
	var code strings.Builder
	require.NoError(t, filepath.WalkDir(filepath.Join("..", "app"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	}))
	lines := quoted.FindAllStringSubmatch(texts(t)[filepath.Join("..", "docs", "operations.md")], -1)
	require.Len(t, lines, 7)
	for _, m := range lines {
		parts := strings.Split(m[1], "…")
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		require.Regexp(t, strings.Join(parts, `[^"]*`), code.String(), m[1])
	}
}
