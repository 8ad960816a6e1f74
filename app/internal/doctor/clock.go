package doctor

import (
	"context"
	"time"
)

const (
	// clocksDiffer is more than hosts differ that are kept in step.
	clocksDiffer = 2 * time.Second
	// clocksApart is how far ahead the msg_id of a client may be, which has its time
	// from one of our hosts: beyond, its packets are refused on another.
	clocksApart = 30 * time.Second
)

// Clock is what a peer's clock is held against, to be asked for its time once.
type Clock struct {
	Now       func() time.Time
	Precision time.Duration // of what the peer says: it has cut off less than that
}

// Compare asks a peer for its time and says how far it is from ours, at least: what
// the way took, and what was cut off, is not counted. peer names it ("MySQL").
func (c Clock) Compare(ctx context.Context, peer string, ask func(context.Context) (time.Time, error)) (Result, error) {
	before := c.Now()
	theirs, err := ask(ctx)
	after := c.Now()
	if err != nil {
		return Result{}, err
	}
	// Theirs was told between before and after, and is up to Precision later than it says.
	var apart time.Duration
	direction := "ahead of"
	if ahead := theirs.Sub(after); ahead > 0 {
		apart = ahead
	}
	if behind := before.Sub(theirs.Add(c.Precision)); behind > 0 {
		apart, direction = behind, "behind"
	}
	const fix = "have both hosts keep their clocks in step (NTP)"
	switch {
	case apart >= clocksApart:
		return Wrong(Fault, "", fix, "the clock of %s is at least %v %s this host's", peer, apart.Round(time.Second), direction), nil
	case apart >= clocksDiffer:
		return Wrong(Warn, "", fix, "the clock of %s is at least %v %s this host's", peer, apart.Round(100*time.Millisecond), direction), nil
	}
	return Well("%s has this host's time", peer), nil
}
