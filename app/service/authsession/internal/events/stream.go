package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// Each script takes the keys of the stream, of the fence and of the marker. The
// fence holds the token of the relay that may publish. The marker holds the number
// of the last batch that the stream has, and the id of its last entry.

// claimScript returns the number of the last batch that the stream has; 0, when it
// has lost entries that the marker knows of: the marker outlives a stream that was
// deleted. It makes a relay the one that may publish; with ARGV[2] "lost" only
// where nobody is, since Redis has forgotten who was. With "look" it changes
// nothing. ARGV: the relay's token, and "new", "lost" or "look".
// It returns -1 when another relay has taken over.
var claimScript = redisring.NewScript(`
if ARGV[2] == 'lost' and redis.call('EXISTS', KEYS[2]) == 1 and redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local no, ms, seq = string.match(redis.call('GET', KEYS[3]) or '', '^(%d+) (%d+)%-(%d+)$')
if no then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  local lastMs, lastSeq = string.match(last and last[1] or '0-0', '^(%d+)%-(%d+)$')
  ms, seq, lastMs, lastSeq = tonumber(ms), tonumber(seq), tonumber(lastMs), tonumber(lastSeq)
  if lastMs < ms or lastMs == ms and lastSeq < seq then no = nil end
end
if ARGV[2] ~= 'look' then
  redis.call('SET', KEYS[2], ARGV[1])
  if not no then redis.call('DEL', KEYS[3]) end
end
return tonumber(no or '0')`)

// publishScript adds a batch if the relay may still publish, and if the stream has
// the batch before. It returns 1, also when it has this batch already; 0 when
// another relay has taken over, -1 when Redis does not know of any, -2 when the
// stream has another batch last. ARGV: the relay's token, the length to trim to,
// the number of the batch before and of this one, then id, type and body of each
// event.
var publishScript = redisring.NewScript(`
local holder = redis.call('GET', KEYS[2])
if not holder then return -1 end
if holder ~= ARGV[1] then return 0 end
local no = string.match(redis.call('GET', KEYS[3]) or '0', '^%d+')
if no == ARGV[4] then return 1 end
if no ~= ARGV[3] then return -2 end
local id
for i = 5, #ARGV, 3 do
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'id', ARGV[i], 'type', ARGV[i + 1], 'event', ARGV[i + 2])
end
redis.call('SET', KEYS[3], ARGV[4] .. ' ' .. id)
return 1`)

var (
	// errFenced means that another relay has taken over.
	errFenced = errors.New("another node publishes")
	// errChanged means that the stream is not what it was taken for.
	errChanged = errors.New("what was published is not there any more")
)

// stream is the Redis end of a relay.
type stream struct {
	ring   *redisring.Ring
	keys   []string // of the stream, its fence and its marker, in one slot of a Redis cluster
	maxLen int64
	token  string
	no     int64 // of the last batch that the stream has
}

func streamAt(ring *redisring.Ring, key string, maxLen int64) *stream {
	return &stream{ring: ring, keys: []string{key, "relay{" + key + "}", "published{" + key + "}"}, maxLen: maxLen, token: newID()}
}

// openStream shuts out whichever relay was there before.
func openStream(ctx context.Context, ring *redisring.Ring, key string, maxLen int64) (*stream, error) {
	s := streamAt(ring, key, maxLen)
	return s, s.claim(ctx, "new")
}

// claim finds out which batch the stream has last.
func (s *stream) claim(ctx context.Context, how string) error {
	result, err := s.ring.Run(ctx, claimScript, s.keys, s.token, how)
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.keys[0], err)
	}
	no, _ := result.(int64)
	if no < 0 {
		return errFenced
	}
	s.no = no
	return nil
}

// publish adds rows in their order as batch no, all or none. ErrChanged: the stream
// lacks what it had, or has more; no and what it lacks must be found out anew.
func (s *stream) publish(ctx context.Context, no int64, rows []row) error {
	args := make([]any, 4, 4+3*len(rows))
	args[0], args[1], args[2], args[3] = s.token, s.maxLen, s.no, no
	for _, r := range rows {
		args = append(args, r.EventID, r.Type, r.Body)
	}
	result, err := s.ring.Run(ctx, publishScript, s.keys, args...)
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.keys[0], err)
	}
	switch result {
	case int64(1):
		s.no = no
		return nil
	case int64(0):
		return errFenced
	}
	if err := s.claim(ctx, "lost"); err != nil {
		return err
	}
	return fmt.Errorf("stream %s: %w", s.keys[0], errChanged)
}
