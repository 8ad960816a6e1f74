package eventscmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const stream = "session-events"

func newRedis(t *testing.T) (address string, client *redis.Client) {
	address = miniredis.RunT(t).Addr()
	client = redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { client.Close() })
	return address, client
}

func publish(t *testing.T, client *redis.Client, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"v":1,"id":%q,"type":"session.revoked","at":"2026-05-04T02:02:01Z","reason":"by-admin","actor":"admin:alice","session":{"hash":"7","user_id":"777","app_name":"Telegram","new_member":1}}`, id)
	add(t, client, id, body)
}

func add(t *testing.T, client *redis.Client, id, body string) {
	t.Helper()
	require.NoError(t, client.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: []any{"id", id, "type", "x", "event", body}}).Err())
}

func TestEventsArePrinted(t *testing.T) {
	address, client := newRedis(t)
	publish(t, client, "a")
	add(t, client, "?", "no event")
	add(t, client, "?", `{"v":2,"id":"z"}`)
	publish(t, client, "a") // again
	publish(t, client, "b")
	var out, errOut bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"--redis", address, "--all", "-n", "2"}, &out, &errOut), errOut.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "session.revoked user 777 session 7 · Telegram · by-admin by admin:alice")
	pending, err := client.XPending(t.Context(), stream, "lab").Result()
	require.NoError(t, err)
	require.Zero(t, pending.Count, "all are acknowledged")
}

func newConsumer(client *redis.Client, name string, handle func(Event) error) *consumer {
	return &consumer{client: client, stream: stream, group: "g", name: name, handle: handle}
}

// A consumer dies over an event: another takes it over.
func TestWhatADeadConsumerHadIsTakenOver(t *testing.T) {
	_, client := newRedis(t)
	publish(t, client, "a")
	dead := newConsumer(client, "dead", func(Event) error { return errors.New("died") })
	require.NoError(t, dead.join(t.Context(), "0"))
	require.NoError(t, dead.join(t.Context(), "0"), "the group may be there")
	_, err := dead.step(t.Context())
	require.ErrorContains(t, err, "died")

	var got []string
	heir := newConsumer(client, "heir", func(e Event) error { got = append(got, e.ID); return nil })
	n, err := heir.step(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"a"}, got)
}

func TestConsumersShareTheEvents(t *testing.T) {
	_, client := newRedis(t)
	counts := map[string]int{}
	var group []*consumer
	for _, name := range []string{"one", "two"} {
		c := newConsumer(client, name, func(e Event) error { counts[e.ID]++; return nil })
		c.idle = time.Minute
		require.NoError(t, c.join(t.Context(), "0"))
		group = append(group, c)
	}
	for i := range 3 * batch {
		publish(t, client, fmt.Sprint(i))
	}
	for range 3 {
		for _, c := range group {
			_, err := c.step(t.Context())
			require.NoError(t, err)
		}
	}
	require.Len(t, counts, 3*batch)
	for _, n := range counts {
		require.Equal(t, 1, n)
	}
}

func TestMemoryOfIDsIsBounded(t *testing.T) {
	var r recent
	for i := range 2 * remembered {
		r.add(fmt.Sprint(i))
	}
	require.Len(t, r.ids, remembered)
	require.False(t, r.has("0"))
	require.True(t, r.has(fmt.Sprint(2*remembered-1)))
}

func TestUsage(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), []string{"--help"}, &out, &errOut))
	require.Contains(t, out.String(), "usage: lab events")
	require.Contains(t, out.String(), "-stream")
	require.Equal(t, exitUsage, run(t.Context(), []string{"what"}, &out, &errOut))
	require.Equal(t, exitUsage, run(t.Context(), []string{"--what"}, &out, &errOut))
	require.Equal(t, exitFailure, run(t.Context(), []string{"--redis", "127.0.0.1:1"}, &out, &errOut))
	ended, end := context.WithCancel(t.Context())
	end()
	address, _ := newRedis(t)
	require.Equal(t, exitFailure, run(ended, []string{"--redis", address}, &out, &errOut), "the group cannot be made any more")
}
