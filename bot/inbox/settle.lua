-- Ends a lease: the message is done, or dead, or to be taken again. The lane moves on to the end of the queue.
-- Messages that are answered together are one.
-- KEYS ready, active, lane, journal, dead
-- ARGV group, consumer, token, fence, conversation, what (done, bury, retry, undo), then for bury: most, reason, time
-- Returns 1, or 0 where the lease is not ours.
local ready, active, lane, journal, dead = unpack(KEYS)
local group, consumer, token, fence, conversation, what = unpack(ARGV)

if not owns(ready, group, consumer, token, journal, fence) then
  return 0
end

if what == 'undo' then
  redis.call('HINCRBY', journal, 'attempt', -1)
elseif what ~= 'retry' then
  for _ = 1, tonumber(redis.call('HGET', journal, 'joined') or 1) do
    local entry = redis.call('LPOP', lane)
    if what == 'bury' and entry then
      redis.call('XADD', dead, 'MAXLEN', '~', ARGV[7], '*',
        'conversation', conversation, 'message', entry, 'reason', ARGV[8], 'at', ARGV[9])
    end
  end
  redis.call('DEL', journal)
end

redis.call('XACK', ready, group, token)
redis.call('XDEL', ready, token)
if redis.call('LLEN', lane) > 0 then
  redis.call('XADD', ready, '*', 'conversation', conversation)
else
  redis.call('SREM', active, conversation)
end
return 1
