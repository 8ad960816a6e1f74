package config

import (
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Warmup reads the logins that were active last into the Cache after a start, on
// one node at a time. It is on by default: what is there stays as it is and costs
// MySQL nothing, and what is missing is read over one connection.
type Warmup struct {
	Enabled bool `json:",default=true"`
	// Logins bounds how many it looks at, 1 to 1,000,000. Each has three or four
	// values, about 3 KiB of Redis altogether.
	Logins    int `json:",default=20000"`
	PerSecond int `json:",default=200"` // logins it looks at, at most; 1 to 10,000
	// ActiveWithin leaves out who was active before, 1m to 720h.
	ActiveWithin time.Duration `json:",default=24h"`
}

// longestWarmup is how long a value stays in the Cache: whatever comes later ends
// after what came first.
const longestWarmup = time.Hour

func (w Warmup) validate() error {
	if !w.Enabled {
		return nil
	}
	if takes := time.Duration(w.Logins/w.PerSecond) * time.Second; takes > longestWarmup {
		return &conf.KeyError{
			Key: "Warmup.Logins", Problem: fmt.Sprintf("is %d, and at %d a second (Warmup.PerSecond) the first values end before the last are read", w.Logins, w.PerSecond),
			Fix: fmt.Sprintf("give %d at most, or raise PerSecond", w.PerSecond*int(longestWarmup/time.Second)),
		}
	}
	return nil
}
