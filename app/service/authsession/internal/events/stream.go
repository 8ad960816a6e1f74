package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// Each script takes the stream's key and the fence's key.

// claimScript makes a relay the one that may publish. With ARGV[2] "lost" it
// does so only where nobody is: Redis has forgotten who was.
// ARGV: the relay's token, "new" or "lost".
var claimScript = redisring.NewScript(`
if ARGV[2] == 'lost' and redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
return 1`)

// publishScript adds entries if the relay may still publish. It returns 1; 0
// when another relay has taken over, -1 when Redis does not know of any.
// ARGV: the relay's token, the length to trim to, then id, type and body of
// each event.
var publishScript = redisring.NewScript(`
local holder = redis.call('GET', KEYS[2])
if not holder then return -1 end
if holder ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 3 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'id', ARGV[i], 'type', ARGV[i + 1], 'event', ARGV[i + 2])
end
return 1`)

// errFenced means that another relay has taken over.
var errFenced = errors.New("another node publishes")

// stream is the Redis end of a relay that holds the lock.
type stream struct {
	ring   *redisring.Ring
	keys   []string // of the stream and its fence, in one slot of a Redis cluster
	maxLen int64
	token  string
}

// openStream shuts out whichever relay was there before.
func openStream(ctx context.Context, ring *redisring.Ring, key string, maxLen int64) (*stream, error) {
	s := &stream{ring: ring, keys: []string{key, "relay{" + key + "}"}, maxLen: maxLen, token: newID()}
	return s, s.claim(ctx, "new")
}

func (s *stream) claim(ctx context.Context, how string) error {
	result, err := s.ring.Run(ctx, claimScript, s.keys, s.token, how)
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.keys[0], err)
	}
	if result != int64(1) {
		return errFenced
	}
	return nil
}

// publish adds rows in their order, all or none.
func (s *stream) publish(ctx context.Context, rows []row) error {
	args := make([]any, 2, 2+3*len(rows))
	args[0], args[1] = s.token, s.maxLen
	for _, r := range rows {
		args = append(args, r.EventID, r.Type, r.Body)
	}
	for range 2 {
		result, err := s.ring.Run(ctx, publishScript, s.keys, args...)
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.keys[0], err)
		}
		switch result {
		case int64(1):
			return nil
		case int64(0):
			return errFenced
		}
		if err := s.claim(ctx, "lost"); err != nil {
			return err
		}
	}
	return fmt.Errorf("stream %s: Redis forgets who publishes", s.keys[0])
}
