// Package clock tells the time by which a node waits. It goes on evenly, whatever
// is done to the clock of the machine: were that used, and set back by an hour,
// nothing would be due for an hour. The machine's own clock is for what others read:
// message ids, salts, dates.
package clock

import "time"

var started = time.Now()

// Now is the time that has passed since the process started, on top of what the
// machine's clock said then, in Unix nanoseconds.
func Now() int64 { return Of(time.Now()) }

// Of is what Now was or will be at t. t must come from time.Now, a ticker, a timer or
// a deadline that was made of these: others are taken by the machine's clock.
func Of(t time.Time) int64 { return started.UnixNano() + int64(t.Sub(started)) }
