package integration

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testFolders are where weaknesses are staged: here against the built binaries,
// there against the packages in which the rest can be seen.
var testFolders = []string{".", "../../interface/session", "../../interface/session/internal/*", "../../service/authsession/internal/*"}

// Every weakness of the session service has a test that is named by its number,
// and every such name is one of the list.
func TestEveryWeaknessHasATest(t *testing.T) {
	tests := map[string][]string{}
	name := regexp.MustCompile(`^TestWeakness(\d*)[A-Z]`)
	for _, folder := range testFolders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range parsed.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "TestWeakness") {
					continue
				}
				m := name.FindStringSubmatch(f.Name.Name)
				require.Len(t, m, 2, f.Name.Name)
				require.Len(t, m[1], 2, "%s: two digits", f.Name.Name)
				tests[m[1]] = append(tests[m[1]], f.Name.Name)
			}
		}
	}

	list, err := os.Open("testdata/weaknesses.txt")
	require.NoError(t, err)
	defer list.Close()
	var numbers []string
	for lines := bufio.NewScanner(list); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			number, title, ok := strings.Cut(line, " ")
			require.True(t, ok, line)
			numbers = append(numbers, number)
			if len(tests[number]) == 0 {
				t.Errorf("no test stages weakness %s: %s", number, title)
			}
		}
	}
	require.Len(t, numbers, 58)
	for number, names := range tests {
		if number <= numbers[len(numbers)-1] { // those of authsession's storage follow
			require.Contains(t, numbers, number, names)
		}
	}
	for _, number := range numbers {
		slices.Sort(tests[number])
		t.Log(number, strings.Join(tests[number], " "))
	}
}
