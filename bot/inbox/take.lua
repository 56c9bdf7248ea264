-- Begins an attempt at the oldest message of each token's lane. Running it twice is one attempt.
-- KEYS ready, active, then a lane and a journal for each token
-- ARGV group, consumer, fence, ttl of the journal (ms), then a token and a conversation for each
-- Returns for each token that is ours and has a message: its number, the lane's entry and length, the journal.
local ready, active = KEYS[1], KEYS[2]
local group, consumer, fence, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local taken = {}

for number = 1, (#KEYS - 2) / 2 do
  local lane, journal = KEYS[2 * number + 1], KEYS[2 * number + 2]
  local token, conversation = ARGV[2 * number + 3], ARGV[2 * number + 4]
  local pending = redis.call('XPENDING', ready, group, token, token, 1)
  if pending[1] and pending[1][2] == consumer then
    local entry = redis.call('LINDEX', lane, 0)
    if entry then
      local message = string.sub(entry, string.find(entry, '\n', 1, true) + 1)
      if redis.call('HGET', journal, 'message') ~= message then
        redis.call('DEL', journal)
        redis.call('HSET', journal, 'message', message)
      end
      if redis.call('HGET', journal, 'fence') ~= fence then
        redis.call('HSET', journal, 'fence', fence)
        redis.call('HINCRBY', journal, 'attempt', 1)
      end
      redis.call('PEXPIRE', journal, ttl)
      table.insert(taken, {number, entry, redis.call('LLEN', lane), redis.call('HGETALL', journal)})
    else
      redis.call('XACK', ready, group, token)
      redis.call('XDEL', ready, token)
      redis.call('SREM', active, conversation)
    end
  end
end
return taken
