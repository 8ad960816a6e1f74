package admin

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
)

// strangers bounds how many refusals of unknown callers this node writes down:
// anybody can make them, from as many addresses as they have, and each is a row
// in the database. Those left out are counted in the next row, and all of them
// in the metrics.
type strangers struct {
	now func() time.Time

	mu     sync.Mutex
	bucket *rate.Limiter
	silent int // refusals since the last one that was written down
}

func newStrangers(c config.AdminRefusals, now func() time.Time) *strangers {
	return &strangers{now: now, bucket: rate.NewLimiter(rate.Limit(c.PerMinute/60), c.Burst)}
}

// pass says whether a refusal stays out of the log, and, where it does not, how
// many did since the one before. Quiet keeps it out in any case.
func (s *strangers) pass(quiet bool) (silent int, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if quiet || !s.bucket.AllowN(s.now(), 1) {
		s.silent++
		return 0, true
	}
	silent, s.silent = s.silent, 0
	return silent, false
}
