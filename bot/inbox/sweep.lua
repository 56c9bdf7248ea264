-- Removes the consumer that leaves, and those of processes that died. What the first still has goes back into the
-- queue; another that has tokens stays until they are adopted: they would be lost with it.
-- KEYS ready
-- ARGV group, consumer that leaves (or empty), idle of the others (ms)
local ready, group, leaver = KEYS[1], ARGV[1], ARGV[2]

local consumers = redis.pcall('XINFO', 'CONSUMERS', ready, group)
if consumers.err then
  return -- no group, no consumers
end

for _, about in ipairs(consumers) do
  local consumer = {}
  for at = 1, #about, 2 do
    consumer[about[at]] = about[at + 1]
  end
  if consumer.name == leaver and consumer.pending > 0 then
    for _, pending in ipairs(redis.call('XPENDING', ready, group, '-', '+', consumer.pending, leaver)) do
      local entry = redis.call('XRANGE', ready, pending[1], pending[1])[1]
      redis.call('XACK', ready, group, pending[1])
      if entry then
        redis.call('XDEL', ready, pending[1])
        redis.call('XADD', ready, '*', unpack(entry[2]))
      end
    end
    consumer.pending = 0
  end
  if consumer.pending == 0 and (consumer.name == leaver or consumer.idle > tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', ready, group, consumer.name)
  end
end
