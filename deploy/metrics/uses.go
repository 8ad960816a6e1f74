package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A use is a metric with its matchers, as PromQL has it.
var (
	use      = regexp.MustCompile(`\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(\{[^}]*\})?`)
	selector = regexp.MustCompile(`\b(up|[a-z]+(?::[a-z0-9_]+)+|[a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	ofOurs   = regexp.MustCompile(`^(session|authsession|rpcserver|rpc_server|rpc_client|sql_client|redis_client|http_server)_`)
	records  = regexp.MustCompile(`\b[a-z]+(?::[a-z0-9_]+)+`)
	plain    = regexp.MustCompile(`^[A-Za-z0-9 _|-]*$`)
)

// scraped are labels that Prometheus adds.
var scraped = []string{"job", "instance", "le"}

// Selectors are the series that a PromQL expression asks for, each once, in its
// order: names with their matchers, without those of scraped labels.
func Selectors(expr string) (list []string) {
	for _, at := range selector.FindAllStringSubmatchIndex(expr, -1) {
		if rest := strings.TrimLeft(expr[at[1]:], " "); at[4] < 0 && strings.HasPrefix(rest, "(") {
			continue // a function
		}
		s := expr[at[2]:at[3]]
		if at[4] >= 0 {
			var kept []string
			for _, m := range matcher.FindAllStringSubmatch(expr[at[4]:at[5]], -1) {
				if !slices.Contains(scraped, m[1]) {
					kept = append(kept, m[0])
				}
			}
			if len(kept) > 0 {
				s += "{" + strings.Join(kept, ",") + "}"
			}
		}
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Check says what is wrong with the metrics that a PromQL expression uses: those
// that no service has, labels that they do not have, and values that the code never
// gives a label. Metrics of others (up, go_*, process_*) are not looked at.
func Check(all []Metric, expr string) error {
	expr = records.ReplaceAllString(expr, "") // names that rules record
	for _, u := range use.FindAllStringSubmatch(expr, -1) {
		name, matchers := u[1], u[2]
		if !ofOurs.MatchString(name) {
			continue
		}
		i := slices.IndexFunc(all, func(m Metric) bool { return m.serves(name) })
		if i < 0 {
			return fmt.Errorf("no service has the metric %s", name)
		}
		for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
			if err := all[i].check(m[1], m[3]); err != nil {
				return err
			}
		}
	}
	return nil
}

// serves reports whether the metric has series of that name.
func (m Metric) serves(name string) bool {
	if m.Type != "histogram" {
		return name == m.Name
	}
	suffix, ok := strings.CutPrefix(name, m.Name)
	return ok && slices.Contains([]string{"_bucket", "_sum", "_count"}, suffix)
}

// check says what is wrong with a matcher.
func (m Metric) check(label, pattern string) error {
	if slices.Contains(scraped, label) {
		return nil
	}
	i := slices.IndexFunc(m.Labels, func(l Label) bool { return l.Name == label })
	if i < 0 {
		return fmt.Errorf("%s has no label %s", m.Name, label)
	}
	l := m.Labels[i]
	if !m.Ours() || len(l.Computed) > 0 || len(l.Values) == 0 || !plain.MatchString(pattern) {
		return nil // what it can be is not known here
	}
	for _, v := range strings.Split(pattern, "|") {
		if !slices.Contains(l.Values, v) {
			return fmt.Errorf("%s: its label %s is never %q", m.Name, label, v)
		}
	}
	return nil
}
