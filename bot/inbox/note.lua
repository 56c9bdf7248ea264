-- Writes into the journal: the answer, or a post behind the others.
-- KEYS ready, journal
-- ARGV group, consumer, token, fence, field, value (a post has none: it is one more than there are fields)
-- Returns 1, or 0 where the lease is not ours.
local ready, journal = KEYS[1], KEYS[2]
if not owns(ready, ARGV[1], ARGV[2], ARGV[3], journal, ARGV[4]) then
  return 0
end
if ARGV[6] then
  redis.call('HSET', journal, ARGV[5], ARGV[6])
else
  redis.call('HSETNX', journal, ARGV[5], redis.call('HLEN', journal) + 1)
end
return 1
