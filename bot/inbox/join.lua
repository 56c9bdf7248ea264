-- Notes that the oldest messages of a lane are answered together.
-- KEYS ready, journal, lane
-- ARGV group, consumer, token, fence, then the key of each message, oldest first
-- Returns 1, or 0 where the lease is not ours, or these are no longer the oldest.
local ready, journal, lane = unpack(KEYS)
if not owns(ready, ARGV[1], ARGV[2], ARGV[3], journal, ARGV[4]) then
  return 0
end
for number = 5, #ARGV do
  local entry = redis.call('LINDEX', lane, number - 5)
  if not entry or string.sub(entry, string.find(entry, '\n', 1, true) + 1) ~= ARGV[number] then
    return 0
  end
end
redis.call('HSET', journal, 'joined', #ARGV - 4)
return 1
