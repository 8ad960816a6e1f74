package lease

import "github.com/redis/go-redis/v9"

// Every script takes the value's key and the guard's key. Tokens of readers
// begin with r, those of writers with w.

// missScript returns the value, if there is one, or the token to fill it with.
// ARGV: a new reader's token, its life in ms, an unreadable value to remove.
var missScript = redis.NewScript(`
local value = redis.call('GET', KEYS[1])
if value then
  if value ~= ARGV[3] then return {1, value} end
  redis.call('DEL', KEYS[1])
end
local guard = redis.call('GET', KEYS[2])
if not guard then
  guard = ARGV[1]
  redis.call('SET', KEYS[2], guard, 'PX', ARGV[2])
end
return {0, guard}`)

// fillScript stores a value unless a write has come since the token was
// given. ARGV: token, value, life in ms.
var fillScript = redis.NewScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

// holdScript removes the value and keeps readers from storing one.
// ARGV: a writer's token, its life in ms.
var holdScript = redis.NewScript(`
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1`)

// releaseScript removes the value and ends what reads and this write held.
// A hold of another write stays. ARGV: the writer's token.
var releaseScript = redis.NewScript(`
redis.call('DEL', KEYS[1])
local guard = redis.call('GET', KEYS[2])
if guard and (guard == ARGV[1] or string.sub(guard, 1, 1) == 'r') then redis.call('DEL', KEYS[2]) end
return 1`)
