package eventscmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Event is what a consumer may want to know of one; the whole is described by
// deploy/events/session-event.schema.json.
type Event struct {
	Version int       `json:"v"`
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Actor   string    `json:"actor"`
	Session struct {
		Hash       string `json:"hash"`
		UserID     string `json:"user_id"`
		DeviceType string `json:"device_type"`
		AppName    string `json:"app_name"`
		AppVersion string `json:"app_version"`
		IP         string `json:"ip"`
		Country    string `json:"country"`
	} `json:"session"`
}

// version that this consumer understands.
const version = 1

// consumer is one of a group.
type consumer struct {
	client *redis.Client
	stream string
	group  string
	name   string
	// idle is how long another's entry must be without acknowledgment until it
	// is taken over: longer than any handling takes.
	idle   time.Duration
	handle func(Event) error

	seen recent
}

// join makes the group, unless it is there; a new one begins at from: "0" is
// the oldest entry, "$" the next one.
func (c *consumer) join(ctx context.Context, from string) error {
	err := c.client.XGroupCreateMkStream(ctx, c.stream, c.group, from).Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("group %s of stream %s: %w", c.group, c.stream, err)
	}
	return nil
}

const (
	batch = 100
	block = time.Second // until those that died are looked at again
)

// step handles what was left behind, else what is new, and returns how many
// events that were.
func (c *consumer) step(ctx context.Context) (handled int, err error) {
	left, _, err := c.client.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: c.stream, Group: c.group, Consumer: c.name,
		MinIdle: c.idle, Start: "0", Count: batch,
	}).Result()
	if err != nil {
		return 0, err
	}
	if len(left) > 0 {
		return c.take(ctx, left)
	}
	streams, err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: c.group, Consumer: c.name,
		Streams: []string{c.stream, ">"}, Count: batch, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) { // nothing new
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, s := range streams {
		n, err := c.take(ctx, s.Messages)
		if handled += n; err != nil {
			return handled, err
		}
	}
	return handled, nil
}

// take handles entries in their order and acknowledges each when it is done.
func (c *consumer) take(ctx context.Context, entries []redis.XMessage) (handled int, err error) {
	for _, entry := range entries {
		fresh, err := c.one(entry)
		if err != nil {
			return handled, fmt.Errorf("entry %s: %w", entry.ID, err)
		}
		if err := c.client.XAck(ctx, c.stream, c.group, entry.ID).Err(); err != nil {
			return handled, err
		}
		if fresh {
			handled++
		}
	}
	return handled, nil
}

// one handles an entry, unless its event was handled before. An entry that is
// not for this version is passed over: it would stop the group for ever.
func (c *consumer) one(entry redis.XMessage) (fresh bool, err error) {
	e, ok := decode(entry)
	if !ok || c.seen.has(e.ID) {
		return false, nil
	}
	if err := c.handle(e); err != nil {
		return false, err
	}
	c.seen.add(e.ID)
	return true, nil
}

func decode(entry redis.XMessage) (e Event, ok bool) {
	body, _ := entry.Values["event"].(string)
	ok = json.Unmarshal([]byte(body), &e) == nil && e.Version == version && e.ID != ""
	return e, ok
}

// recent remembers the last ids. Consumers with a database write the id with
// the work, in one transaction; then a repetition is noticed for good.
type recent struct {
	ids   map[string]struct{}
	order []string
}

const remembered = 10_000

func (r *recent) has(id string) bool {
	_, has := r.ids[id]
	return has
}

func (r *recent) add(id string) {
	if r.ids == nil {
		r.ids = map[string]struct{}{}
	}
	r.ids[id] = struct{}{}
	if r.order = append(r.order, id); len(r.order) > remembered {
		delete(r.ids, r.order[0])
		r.order = r.order[1:]
	}
}
