-- Keeps pictures, the newest last; one that is there already is put last again.
-- KEYS[1] the list of pictures
-- Returns the bytes of those that are kept.
-- ARGV: 1 how many are kept; 2 how many bytes; 3 for how many milliseconds; 4.. the pictures
for at = 4, #ARGV do
  redis.call('LREM', KEYS[1], 0, ARGV[at])
  redis.call('RPUSH', KEYS[1], ARGV[at])
end
local kept = redis.call('LRANGE', KEYS[1], 0, -1)
local first, bytes = #kept + 1, tonumber(ARGV[2])
while first > 1 and #kept - first + 1 < tonumber(ARGV[1]) and bytes >= #kept[first - 1] do
  first, bytes = first - 1, bytes - #kept[first - 1]
end
redis.call('LTRIM', KEYS[1], first - 1, -1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return tonumber(ARGV[2]) - bytes
