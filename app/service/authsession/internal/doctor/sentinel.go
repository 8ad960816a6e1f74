package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// sentinels says what is wrong with the sentinels of a node that is reached by
// them; with one that is not, nothing.
func (n *redisNode) sentinels(ctx context.Context) (list []doctor.Finding) {
	if n.conf.Type != redisconf.TypeSentinel {
		return nil
	}
	warn := func(fix, format string, args ...any) {
		list = append(list, doctor.Finding{Grade: doctor.Warn, Key: n.key + ".Host", Fix: fix, Problem: fmt.Sprintf(format, args...)})
	}
	var primaries []string
	for _, s := range redisring.Sentinels(ctx, n.conf) {
		switch {
		case s.Err != nil:
			warn("start it, or take it out", "the sentinel %s cannot be asked: %v", s.Address, s.Err)
		case s.Primary == "":
			warn("have it watch the same as the others, or take it out", "the sentinel %s does not have %s", s.Address, n.conf.MasterName)
		case s.Quorum != nil:
			warn("start the sentinels that are missing", "the sentinel %s could not replace the primary now: %v", s.Address, s.Quorum)
		}
		if s.Primary != "" && !slices.Contains(primaries, s.Primary) {
			primaries = append(primaries, s.Primary)
		}
	}
	if len(primaries) > 1 {
		warn("wait for the failover to end; else look at the sentinels' logs", "the sentinels have different primaries: %v", primaries)
	}
	return list
}
