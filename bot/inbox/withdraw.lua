-- Takes a message back: one that waits is not kept any longer, one under way is marked as stopped.
-- KEYS lane, journal
-- ARGV conversation, message, channel, ttl of the journal (ms)
-- Returns withdrawn, interrupted or unknown.
local lane, journal = KEYS[1], KEYS[2]
local conversation, message, channel, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

for number, entry in ipairs(redis.call('LRANGE', lane, 0, -1)) do
  if string.sub(entry, string.find(entry, '\n', 1, true) + 1) == message then
    if number > 1 then
      redis.call('LREM', lane, 1, entry)
      return 'withdrawn'
    end
    if redis.call('HGET', journal, 'message') ~= message then
      redis.call('DEL', journal)
      redis.call('HSET', journal, 'message', message)
    end
    redis.call('HSET', journal, 'stopped', 1)
    redis.call('PEXPIRE', journal, ttl)
    redis.call('PUBLISH', channel, cjson.encode({conversation, message}))
    return 'interrupted'
  end
end
return 'unknown'
