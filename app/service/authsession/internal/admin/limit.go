package admin

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
)

const (
	// maxBuckets bounds the memory that callers from many addresses take. Those
	// beyond share one bucket.
	maxBuckets = 10_000
	// tellEvery is how often a caller that is refused for its rate is written
	// down.
	tellEvery = 10 * time.Second
	overflow  = ""
)

// limiter gives each caller a token bucket.
type limiter struct {
	conf config.AdminRate
	now  func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	swept   time.Time // when full buckets were last removed
}

type bucket struct {
	*rate.Limiter
	told   time.Time // when a refusal was last written down
	silent int       // refusals since
}

func newLimiter(c config.AdminRate, now func() time.Time) *limiter {
	return &limiter{conf: c, now: now, buckets: map[string]*bucket{}}
}

// take takes a token of who's bucket; the refusal is nil when there is one.
func (l *limiter) take(who string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.bucket(who, now)
	if b.AllowN(now, 1) {
		return nil
	}
	r := &refusal{wait: time.Duration(math.Ceil((1-b.TokensAt(now))/l.conf.PerSecond)) * time.Second, silent: b.silent}
	if now.Sub(b.told) < tellEvery {
		b.silent++
		r.quiet = true
		return r
	}
	b.told, b.silent = now, 0
	return r
}

func (l *limiter) bucket(who string, now time.Time) *bucket {
	if b := l.buckets[who]; b != nil {
		return b
	}
	if len(l.buckets) >= maxBuckets && now.Sub(l.swept) >= time.Second {
		l.swept = now
		for name, b := range l.buckets {
			if b.TokensAt(now) >= float64(l.conf.Burst) { // as good as a new one
				delete(l.buckets, name)
			}
		}
	}
	if len(l.buckets) >= maxBuckets {
		who = overflow
		if b := l.buckets[who]; b != nil {
			return b
		}
	}
	b := &bucket{Limiter: rate.NewLimiter(rate.Limit(l.conf.PerSecond), l.conf.Burst)}
	l.buckets[who] = b
	return b
}
