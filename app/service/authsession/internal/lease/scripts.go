package lease

import "github.com/tgsession/tgsession/app/service/authsession/internal/redisring"

// Scripts take the value's key and the guard's key. Tokens of readers begin with
// r and end with the epoch, those of writers begin with w; n and the epoch stand
// beside a "*" that is believed.

// EpochMember is the first member of a value in the cache. A TextReader passes over it.
const EpochMember = "cache_epoch"

// A value begins with valuePrefix, the epoch, which is so long where Redis says it, and
// a quotation mark.
const (
	valuePrefix = `{"` + EpochMember + `":"`
	epochLength = 16
)

// epochLua finds out the epoch of the Redis that the script runs on; empty where
// it does not say. A replica is no place to read: it may lag, and is not told of
// writes.
const epochLua = `
local info, epoch = redis.pcall('INFO', 'replication'), ''
if type(info) == 'string' then
  if not string.find(info, 'role:master', 1, true) then return redis.error_reply('READONLY not the primary') end
  epoch = string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x)') or ''
end
`

// readScript returns, for each value's key and guard, 1 and the value, if there is one to
// believe, or 0 and the token to fill it with. Before it returns a value it writes what
// changes nothing: beside JSON there is no guard, beside "*" there is one. A Redis that
// refuses writes refuses that, too.
// ARGV: a new reader's token, its life in ms, an unreadable value to replace.
var readScript = redisring.NewScript(epochLua + `
local first, suffix, found = '` + valuePrefix + `' .. epoch .. '"', ':' .. epoch, {}
for i = 1, #KEYS, 2 do
  local key, guarded = KEYS[i], KEYS[i + 1]
  local value, believed = redis.call('GET', key), false
  if value and value ~= ARGV[3] then
    if string.sub(value, 1, #first) == first then
      redis.call('DEL', guarded)
      believed = true
    elseif value == '*' and redis.call('GET', guarded) == 'n' .. epoch then
      redis.call('SETNX', guarded, '')
      believed = true
    end
  end
  if believed then
    found[i], found[i + 1] = 1, value
  else
    local guard = redis.call('GET', guarded)
    local kind = guard and string.sub(guard, 1, 1)
    if kind ~= 'w' and (kind ~= 'r' or string.sub(guard, -#suffix) ~= suffix) then
      guard = ARGV[1] .. suffix
      redis.call('SET', guarded, guard, 'PX', ARGV[2])
    end
    found[i], found[i + 1] = 0, guard
  end
end
return found`)

// fillScript stores a value unless a write has come, or the epoch has changed,
// since the token was given.
// ARGV: token, "*" or what follows the epoch in the value, its life in ms, its
// life in ms where the epoch is not known.
var fillScript = redisring.NewScript(epochLua + `
local suffix = ':' .. epoch
if redis.call('GET', KEYS[2]) ~= ARGV[1] or string.sub(ARGV[1], -#suffix) ~= suffix then return 0 end
local life = ARGV[3]
if epoch == '' and tonumber(life) > tonumber(ARGV[4]) then life = ARGV[4] end
if ARGV[2] == '*' then
  redis.call('SET', KEYS[2], 'n' .. epoch, 'PX', life)
  redis.call('SET', KEYS[1], '*', 'PX', life)
else
  redis.call('DEL', KEYS[2])
  redis.call('SET', KEYS[1], '` + valuePrefix + `' .. epoch .. '"' .. ARGV[2], 'PX', life)
end
return 1`)

// holdScript removes the value and keeps readers from storing one.
// ARGV: a writer's token, its life in ms.
var holdScript = redisring.NewScript(`
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1`)

// releaseScript removes the value and ends what reads and this write held.
// A hold of another write stays. ARGV: the writer's token.
var releaseScript = redisring.NewScript(`
redis.call('DEL', KEYS[1])
local guard = redis.call('GET', KEYS[2])
if guard and (guard == ARGV[1] or string.sub(guard, 1, 1) ~= 'w') then redis.call('DEL', KEYS[2]) end
return 1`)
