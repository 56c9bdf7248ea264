-- Ends a lease: the message is done, or dead, or to be taken again. The lane moves on to the end of the queue.
-- Messages that are answered together are one.
-- KEYS ready, active, lane, journal, dead
-- ARGV group, consumer, token, fence, conversation, what (done, bury, retry, away, undo), then for bury: most, reason,
-- time and life (both s)
-- Returns 1, or 0 where the lease is not ours.
local ready, active, lane, journal, dead = unpack(KEYS)
local group, consumer, token, fence, conversation, what = unpack(ARGV)

if not owns(ready, group, consumer, token, journal, fence) then
  return 0
end

if what == 'undo' then
  redis.call('HINCRBY', journal, 'attempt', -1)
elseif what == 'away' then
  redis.call('HINCRBY', journal, 'away', 1)
elseif what ~= 'retry' then
  for _ = 1, tonumber(redis.call('HGET', journal, 'joined') or 1) do
    local entry = redis.call('LPOP', lane)
    if what == 'bury' and entry then
      redis.call('XADD', dead, 'MAXLEN', '~', ARGV[7], '*',
        'conversation', conversation, 'message', entry, 'reason', ARGV[8], 'at', ARGV[9])
    end
  end
  redis.call('DEL', journal)
  if what == 'bury' then
    -- Not by XTRIM MINID, which takes too much away on Redis 6.2.
    local old = string.format('%.0f', math.max(0, tonumber(ARGV[9]) - tonumber(ARGV[10])) * 1000)
    for _, letter in ipairs(redis.call('XRANGE', dead, '-', old, 'COUNT', 100)) do
      redis.call('XDEL', dead, letter[1])
    end
    redis.call('EXPIRE', dead, ARGV[10])
  end
end

redis.call('XACK', ready, group, token)
redis.call('XDEL', ready, token)
if redis.call('LLEN', lane) > 0 then
  redis.call('XADD', ready, '*', 'conversation', conversation)
else
  redis.call('SREM', active, conversation)
end
return 1
