package sess

import (
	"fmt"
	"runtime"
	"time"
)

// Config holds the limits and times of all wrappers of a node. Call SetDefaults
// once, before the first New; from then on it is read only and shared.
type Config struct {
	Limits

	// NoLoginAllow and NoLoginDeny name methods, as auth.signIn, that are
	// added to and taken from the built-in list of those that need no login.
	NoLoginAllow, NoLoginDeny []string

	// RemoteWait is how long a call is waited for that another node has made, when
	// the key has moved here. Zero value means 70 s: that node's own patience, and
	// some for the way.
	RemoteWait time.Duration

	// HandOffWait is how long a key that another node asks for waits for what peers
	// were asked for. Zero value means 500 ms. It must be shorter than that node's own
	// patience: else it begins the key anew, and what was done here may be done again.
	HandOffWait time.Duration

	// Set by SetDefaults.
	noLogin   map[string]bool // the methods whose built-in rule is overruled
	turns     chan struct{}   // holds one for each packet that is read in WorkBytes
	strangers *strangers      // what they have left
	fanOut    *fanOut         // updates that were written for another key
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	c.Limits.SetDefaults()
	if c.RemoteWait == 0 {
		c.RemoteWait = 70 * time.Second
	}
	if c.HandOffWait == 0 {
		c.HandOffWait = 500 * time.Millisecond
	}
	// Each grows by copying; half of the processors are left to what is small.
	c.turns = make(chan struct{}, max(1, min(c.WorkBytes/(2*(c.GunzipBytes+c.RequestBytes)), runtime.GOMAXPROCS(0)/2)))
	c.strangers = &strangers{rooms: map[origin]room{}}
	c.fanOut = newFanOut()
	c.noLogin = make(map[string]bool, len(c.NoLoginAllow)+len(c.NoLoginDeny))
	for _, name := range c.NoLoginAllow {
		c.noLogin[name] = true
	}
	for _, name := range c.NoLoginDeny {
		c.noLogin[name] = false
	}
}

// Validate names the first value that no server can work with. It is meant for
// a Config whose defaults are set.
func (c *Config) Validate() error {
	if err := LimitTable.Validate(&c.Limits, nil); err != nil {
		return fmt.Errorf("sess: %w", err)
	}
	if c.AnswerBytes < c.OutboxBytes {
		return fmt.Errorf("sess: AnswerBytes is %d, want OutboxBytes (%d) or more", c.AnswerBytes, c.OutboxBytes)
	}
	if c.StrangerBytes < c.NoLoginBytes {
		return fmt.Errorf("sess: StrangerBytes is %d, want NoLoginBytes (%d) or more", c.StrangerBytes, c.NoLoginBytes)
	}
	if c.KeyBytes < c.AnswerBytes {
		return fmt.Errorf("sess: KeyBytes is %d, want AnswerBytes (%d) or more", c.KeyBytes, c.AnswerBytes)
	}
	// A client acknowledges what it got after up to 30 s (rule ACK-8).
	if least := 30 * time.Second; c.ResendAfter <= least {
		return fmt.Errorf("sess: ResendAfter is %v, want more than %v: clients acknowledge as late, and everything would leave twice", c.ResendAfter, least)
	}
	if c.OnlineEvery >= c.OnlineFor {
		return fmt.Errorf("sess: OnlineEvery %v must be below OnlineFor %v", c.OnlineEvery, c.OnlineFor)
	}
	if c.PayloadBytes < c.ContainerBytes+64 {
		return fmt.Errorf("sess: PayloadBytes %d cannot carry a container of %d", c.PayloadBytes, c.ContainerBytes)
	}
	return nil
}
