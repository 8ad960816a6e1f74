package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tardy is how long a recipient may take to see a message before the verdict tells
// what befell its client meanwhile. A message that was late counts as told, so
// without that nobody learns why it was.
const Tardy = 10 * time.Second

// prelude is how long before a message was taken the story of a late one begins: what
// kept it back is often older.
const prelude = 10 * time.Second

// late tells of each message that was seen later than Tardy.
func (j *judging) late() {
	type late struct {
		first Effect
		seen  Seen
	}
	var all []late
	for text, effects := range j.effects {
		if seen := j.seen[text]; len(seen) > 0 && seen[0].At.Sub(effects[0].At) > Tardy {
			all = append(all, late{effects[0], seen[0]})
		}
	}
	slices.SortFunc(all, func(a, b late) int {
		return cmp.Or(cmp.Compare(b.seen.At.Sub(b.first.At), a.seen.At.Sub(a.first.At)), cmp.Compare(a.first.Text, b.first.Text))
	})
	for _, l := range all {
		taken, seen := l.first.At, l.seen.At
		line := fmt.Sprintf("%s %q: seen by %s after %.1f s (%s, %s)",
			clock(taken), l.first.Text, l.seen.By, seen.Sub(taken).Seconds(), l.seen.How, j.at(taken).Fault)
		j.v.Late = append(j.v.Late, strings.Join(append([]string{line}, j.story(l.seen.By, taken.Add(-prelude), seen)...), "; "))
	}
}

// story is what befell a client in a span of time.
func (j *judging) story(who string, from, to time.Time) (told []string) {
	for _, m := range j.h.Moments {
		if m.By == who && !m.At.Before(from) && !m.At.After(to) {
			told = append(told, clock(m.At)+" "+string(m.What))
		}
	}
	return told
}
