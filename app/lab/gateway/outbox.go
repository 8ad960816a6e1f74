package gateway

import (
	"errors"
	"sync"

	"github.com/tgsession/tgsession/app/lab/gateway/frame"
)

// errSlow: the client does not read what it is sent.
var errSlow = errors.New("gateway: outbox full")

// item is one thing to send: a frame as it is, or a payload still to be sealed
// with a key.
type item struct {
	frame   frame.Out
	payload []byte
	key     *authKey
}

func (i item) size() int { return len(i.payload) + len(i.frame.Packet) }

// outbox is what waits to be written, bounded by count and bytes.
type outbox struct {
	maxItems, maxBytes int
	wake               chan struct{} // holds one

	mu    sync.Mutex
	items []item
	bytes int
}

func newOutbox(maxItems, maxBytes int) *outbox {
	return &outbox{maxItems: maxItems, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// put queues an item; the outbox owns its slices from then on.
func (o *outbox) put(i item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.items) >= o.maxItems || o.bytes+i.size() > o.maxBytes {
		return errSlow
	}
	o.items = append(o.items, i)
	o.bytes += i.size()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// take empties the outbox.
func (o *outbox) take() []item {
	o.mu.Lock()
	defer o.mu.Unlock()
	items := o.items
	o.items, o.bytes = nil, 0
	return items
}
