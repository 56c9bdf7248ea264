-- Keeps the summary of a window's older exchanges, if the last one that it covers is still in the window.
-- KEYS[1] the window: a list of exchanges; KEYS[2] a hash: what became of its older ones
-- ARGV: 1 what the last covered exchange begins with; 2 its id; 3 the summary; 4 for how many milliseconds
-- Returns 1 where it is kept: a window that was cleared meanwhile must not get its old contents back.
for _, exchange in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if string.sub(exchange, 1, #ARGV[1]) == ARGV[1] then
    redis.call('HSET', KEYS[2], 'through', ARGV[2], 'summary', ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    return 1
  end
end
return 0
