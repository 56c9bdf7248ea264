-- Keeps a message at the end of its conversation's lane, once.
-- KEYS seen, lane, journal, active, ready
-- ARGV entry, conversation, limit of the lane, ttl of `seen` (ms), ttl of the journal (ms), urgent (1 or 0), channel
-- Returns accepted, duplicate, busy or interrupted, and how many messages were there before.
local seen, lane, journal, active, ready = unpack(KEYS)
local entry, conversation, limit, seen_ttl, journal_ttl, urgent, channel = unpack(ARGV)

if redis.call('EXISTS', seen) == 1 then
  return {'duplicate', 0}
end

local waiting = redis.call('LLEN', lane)

if urgent == '1' and waiting > 0 then
  local head = redis.call('LINDEX', lane, 0)
  head = string.sub(head, string.find(head, '\n', 1, true) + 1)
  if redis.call('HGET', journal, 'message') ~= head then
    redis.call('DEL', journal)
    redis.call('HSET', journal, 'message', head)
  end
  redis.call('HSET', journal, 'stopped', 1)
  redis.call('PEXPIRE', journal, journal_ttl)
  redis.call('SET', seen, 1, 'PX', seen_ttl)
  redis.call('PUBLISH', channel, cjson.encode({conversation, head}))
  return {'interrupted', 0}
end

-- Before `seen` is set: the platform will deliver a refused message again.
if waiting >= tonumber(limit) then
  return {'busy', waiting}
end

redis.call('SET', seen, 1, 'PX', seen_ttl)
redis.call('RPUSH', lane, entry)
if redis.call('SADD', active, conversation) == 1 then
  redis.call('XADD', ready, '*', 'conversation', conversation)
end
return {'accepted', waiting}
