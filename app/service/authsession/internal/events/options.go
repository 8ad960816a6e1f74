package events

import "time"

// Options say where events go.
type Options struct {
	Stream string        // key of a Redis stream; empty: no events are published
	MaxLen int64         // about as many of the newest events stay on the stream
	Poll   time.Duration // until a new event is looked for
	Batch  int           // events in one step, 1 to 1000
	// Retain is how long published events stay in MySQL: they are published again
	// when Redis comes back from a dump that is no older.
	Retain   time.Duration
	Webhooks []Webhook // they get the events, too
}

// Enabled reports whether there is a stream.
func (o *Options) Enabled() bool { return o.Stream != "" }

// Webhook is a URL that events are posted to.
type Webhook struct {
	Name string // its place is kept by it
	URL  string
	// SecretFile has the key that deliveries are signed with. Secret reads it, again when
	// the file has changed.
	SecretFile string
	Secret     func() ([]byte, error)
	Types      []string      // of events; none: all
	Timeout    time.Duration // of a delivery
	Attempts   int           // until an event is given up
	Backoff    time.Duration // after the first failure, doubled with each, up to MaxBackoff
	MaxBackoff time.Duration
	Parallel   int // deliveries at a time, of different users
	Queue      int // events in memory; others wait in MySQL
}
