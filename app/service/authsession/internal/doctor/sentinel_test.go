package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

const bySentinels = "    Type: sentinel\n    MasterName: sessions\n"

func TestARedisByItsSentinels(t *testing.T) {
	primary := testenv.StartRedis(t)
	sentinels := testenv.StartSentinels(t, "sessions", primary, "")
	for _, tc := range []struct {
		name           string
		wrong          func(s *site)
		grade          doctor.Grade
		text, key, fix string
	}{
		{"well", func(*site) {}, doctor.OK, "Redis sessions of sentinels " + sentinels.Host() + " (Cache)", "", ""},
		{"a Sentinel for Redis", func(s *site) { s.cache, s.cacheMore = sentinels.Addresses[0], "" }, doctor.Fault, "is a Sentinel, which has no data", "Cache[0].Type", "set Type: sentinel"},
		{"another name", func(s *site) { s.cacheMore = strings.Replace(bySentinels, "sessions", "main", 1) }, doctor.Fault, "a name that the sentinels do not have", "Cache[0].MasterName", "they have: sessions"},
		{"a sentinel that is away", func(s *site) { s.cache += "," + freeport.Address(s.t) }, doctor.Warn, "cannot be asked", "Cache[0].Host", "start it"},
		{"no sentinel", func(s *site) { s.cache = freeport.Address(s.t) }, doctor.Fault, "names no sentinel that answers", "Cache[0].Host", "start them"},
		{"a name without Type", func(s *site) { s.cacheMore = "    MasterName: sessions\n" }, doctor.Fault, "has no effect with Type: node", "Cache[0].MasterName", "set Type: sentinel"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			s.cache, s.cacheMore = sentinels.Host(), bySentinels
			tc.wrong(s)
			list := s.lines()
			if tc.grade == doctor.OK {
				require.Empty(t, complaints(list))
			}
			for _, l := range list {
				if l.Grade == tc.grade && strings.Contains(l.Check+": "+l.Text, tc.text) {
					require.Equal(t, tc.key, l.Key)
					require.Contains(t, l.Fix, tc.fix)
					return
				}
			}
			t.Fatalf("not found: %+v", complaints(list))
		})
	}
	sentinels.Kill(0)
	sentinels.Kill(1)
	s := newSite(t)
	s.cache, s.cacheMore = sentinels.Addresses[2], bySentinels
	require.Eventually(t, func() bool {
		for _, l := range complaints(s.lines()) {
			if l.Grade == doctor.Warn && strings.Contains(l.Text, "could not replace the primary now") {
				return true
			}
		}
		return false
	}, 30*time.Second, 100*time.Millisecond, "the quorum is gone, and nothing is said")
}
