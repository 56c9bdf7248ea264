-- Notes what weighs how much; what weighs nothing any more is deleted. Returns what all of it weighs.
-- KEYS[1] sorted set: what there is, by its last use; KEYS[2] hash: its bytes, and under '' their sum; 3.. what is noted
-- ARGV: 1 the time, in seconds; 2 how long something lives after its last use; 3 how much may be there;
-- 4.. the bytes of KEYS[3]..; fewer than none: to be deleted, if there is too much
local total = tonumber(redis.call('HGET', KEYS[2], '') or '0')
local function forget(name)
  total = total - tonumber(redis.call('HGET', KEYS[2], name) or '0')
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[1]) - tonumber(ARGV[2]), 'LIMIT', 0, 100)
for _, name in ipairs(ended) do
  forget(name)
end
for at = 3, #KEYS do
  local bytes = tonumber(ARGV[at + 1])
  if bytes >= 0 or total > tonumber(ARGV[3]) then
    forget(KEYS[at])
    if bytes > 0 then
      redis.call('ZADD', KEYS[1], ARGV[1], KEYS[at])
      redis.call('HSET', KEYS[2], KEYS[at], bytes)
      total = total + bytes
    else
      redis.call('UNLINK', KEYS[at])
    end
  end
end
redis.call('HSET', KEYS[2], '', total)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return total
