-- A token bucket, kept as the time at which it would be full again (GCRA). KEYS[1] the time.
-- ARGV 1 now (ms), 2 interval (ms), 3 burst. Gives {0}, or {ms to wait, whether the person was not told yet}.
local now, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + interval
local wait = math.ceil(full - now - tonumber(ARGV[3]) * interval)
if wait > 0 then
  local told = redis.call('SET', KEYS[2], '1', 'NX', 'PX', math.max(1, math.ceil(tonumber(ARGV[3]) * interval)))
  return { wait, told and 1 or 0 }
end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return { 0, 0 }
