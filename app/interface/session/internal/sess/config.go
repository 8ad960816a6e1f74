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

	// HandOffWait is how long a hand-over waits for answers of peers: another node asks
	// for a key, and authsession has yet to answer this node about that key. Zero value
	// means 500 ms. It must be shorter than the time for which the other node waits.
	// Otherwise that node begins the key anew, and calls that were made here may be made
	// again there.
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
	// So many large packets are read at a time. Their buffers are copied when they grow,
	// so each may take twice what it ends with. Half of the processors are left for
	// small packets.
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

// LimitError is a limit that does not go with another one.
type LimitError struct {
	Key     string // of Limits
	Problem string // what is wrong, as a predicate
	Fix     string // what to do about it
}

func (e *LimitError) Error() string { return fmt.Sprintf("sess: %s %s: %s", e.Key, e.Problem, e.Fix) }

// Validate refuses the first value that no server can work with: one that is out of its
// range, or one that another limit does not allow, as a *LimitError. It is meant for a
// Config whose defaults are set.
func (c *Config) Validate() error {
	if err := LimitTable.Validate(&c.Limits, nil); err != nil {
		return fmt.Errorf("sess: %w", err)
	}
	for _, l := range []struct {
		key         string
		value       int
		other       string
		least, more int // value has to be least and more together, or larger
	}{
		{"AnswerBytes", c.AnswerBytes, "OutboxBytes", c.OutboxBytes, 0},
		{"StrangerBytes", c.StrangerBytes, "NoLoginBytes", c.NoLoginBytes, 0},
		{"KeyBytes", c.KeyBytes, "AnswerBytes", c.AnswerBytes, 0},
		{"PayloadBytes", c.PayloadBytes, "ContainerBytes", c.ContainerBytes, 64},
	} {
		if least := l.least + l.more; l.value < least {
			return &LimitError{
				Key: l.key, Problem: fmt.Sprintf("is %d, too little for %s (%d)", l.value, l.other, l.least),
				Fix: fmt.Sprintf("give %d or more, or lower %s", least, l.other),
			}
		}
	}
	// A client acknowledges what it got after up to 30 s (rule ACK-8).
	if least := 30 * time.Second; c.ResendAfter <= least {
		return &LimitError{
			Key: "ResendAfter", Problem: fmt.Sprintf("is %v, and clients acknowledge after up to %v, so that everything would leave twice", c.ResendAfter, least),
			Fix: fmt.Sprintf("give more than %v", least),
		}
	}
	if c.OnlineEvery >= c.OnlineFor {
		return &LimitError{
			Key: "OnlineEvery", Problem: fmt.Sprintf("is %v, and what it repeats holds for OnlineFor (%v)", c.OnlineEvery, c.OnlineFor),
			Fix: fmt.Sprintf("give less than %v, or raise OnlineFor", c.OnlineFor),
		}
	}
	return nil
}
