-- Takes a message back: one that waits is not kept any longer, one under way is marked as stopped, and so are those
-- that are answered together with it.
-- KEYS lane, journal
-- ARGV conversation, message, channel, ttl of the journal (ms)
-- Returns withdrawn, interrupted or unknown.
local lane, journal = KEYS[1], KEYS[2]
local conversation, message, channel, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function key(entry)
  return string.sub(entry, string.find(entry, '\n', 1, true) + 1)
end

local waiting = redis.call('LRANGE', lane, 0, -1)
local head = waiting[1] and key(waiting[1])
local joined = 1
if head and redis.call('HGET', journal, 'message') == head then
  joined = tonumber(redis.call('HGET', journal, 'joined') or 1)
end

for number, entry in ipairs(waiting) do
  if key(entry) == message then
    if number > joined then
      redis.call('LREM', lane, 1, entry)
      return 'withdrawn'
    end
    if redis.call('HGET', journal, 'message') ~= head then
      redis.call('DEL', journal)
      redis.call('HSET', journal, 'message', head)
    end
    redis.call('HSET', journal, 'stopped', 1, 'withdrawn', 1)
    redis.call('PEXPIRE', journal, ttl)
    redis.call('PUBLISH', channel, cjson.encode({conversation, head, true}))
    return 'interrupted'
  end
end
return 'unknown'
