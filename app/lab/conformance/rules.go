package conformance

import (
	"bufio"
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed rules.txt
var rulesText string

// rule is one row of the table.
type rule struct {
	id, chapter, title string
	why                string // nobody checks it, because
}

var ruleLine = regexp.MustCompile(`^([A-Z]+)-(\d+)(?:\.\.(\d+))? \| ([^|]+?)(?: \| (.+))?$`)

// parseRules reads lines of "ID | title | why there is no check" under
// headings of "# chapter".
func parseRules(text string) ([]rule, error) {
	var rules []rule
	chapter := ""
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "# "); ok {
			chapter = name
			continue
		}
		if line == "" {
			continue
		}
		m := ruleLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("conformance: rule %q", line)
		}
		first, _ := strconv.Atoi(m[2]) // digits
		last, err := strconv.Atoi(m[3])
		if err != nil {
			last = first
		}
		for n := first; n <= last; n++ {
			rules = append(rules, rule{id: m[1] + "-" + strconv.Itoa(n), chapter: chapter, title: m[4], why: m[5]})
		}
	}
	return rules, nil
}
