-- Set aside what a request may cost, all limits at once: either every one has room, or nothing changes.
-- KEYS 4 charged, 5 rate, 6 budgets, 7.. the tallies that the five limits bound (an empty group's is never read).
-- ARGV 1 now (ms), 2 id, 3 token, 4 wanted, 5 least, 6 person, 7 group, 8 life (ms), 9 requests at once,
-- 10 interval (ms) and 11 burst of the rate, 12 life of what was charged (ms), 13.. the five limits (-1: none),
-- 18 whether it counts among the requests at once.
-- Gives {'granted', amount, whether a limit is in force}, {'running'}, {'rate', ms}, {'spent', limit's number}
-- or {'held', limit's number}.
local now, id, person, group = tonumber(ARGV[1]), ARGV[2], ARGV[6], ARGV[7]
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do
  release(old)
end
release(id) -- an earlier attempt at the same message is dead

local running = tonumber(ARGV[9])
if running > 0 and tonumber(redis.call('HGET', KEYS[3], 'n:' .. person) or 0) >= running then
  return { 'running' }
end

-- A token bucket, kept as the time at which it would be full again (GCRA). A message counts once.
local interval, burst = tonumber(ARGV[10]), tonumber(ARGV[11])
local full
if interval > 0 and redis.call('EXISTS', KEYS[4]) == 0 then
  full = math.max(now, tonumber(redis.call('GET', KEYS[5]) or 0)) + interval
  local wait = full - now - burst * interval
  if wait > 0.001 then
    return { 'rate', whole(math.ceil(wait)) }
  end
end

local wanted, least, limited = tonumber(ARGV[4]), tonumber(ARGV[5]), 0
if wanted > 0 then
  local fields = { 'p:' .. person, 'p:' .. person, 'g:' .. group, 't', 't' }
  for number = 1, 5 do
    local limit = limit_of(number, ARGV[12 + number], KEYS[6], person)
    if limit >= 0 and not (number == 3 and group == '') then
      limited = 1
      local room = limit - tonumber(redis.call('HGET', KEYS[6 + number], 'cost') or 0)
      if room < least then
        return { 'spent', number }
      end
      room = room - tonumber(redis.call('HGET', KEYS[3], fields[number]) or 0)
      if room < least then
        return { 'held', number }
      end
      wanted = math.min(wanted, room)
    end
  end
end

if full then
  redis.call('SET', KEYS[5], string.format('%.3f', full), 'PX', whole(math.ceil(full - now)))
end
redis.call('HSETNX', KEYS[4], 'attempt', 0)
redis.call('PEXPIRE', KEYS[4], ARGV[12])
local record = { amount = wanted, count = tonumber(ARGV[18]), person = person, group = group, token = ARGV[3] }
change(record, 1)
redis.call('HSET', KEYS[2], id, cjson.encode(record))
redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[8])), id)
return { 'granted', whole(wanted), limited }
