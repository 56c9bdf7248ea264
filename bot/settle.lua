-- Count what a request did cost, once, and give back the rest of what was set aside.
-- KEYS 4 charged, 5 budgets, 6 person's day, 7 person's month, 8 group's day, 9 total's day, 10 total's month,
-- 11 people of the day, 12 people of the month, 13 group's month.
-- ARGV 1 now (ms), 2 id, 3 token, 4 attempt, 5 cost, 6 prompt, 7 completion, 8 model, 9 person, 10 group, 11 and 12 how
-- long (s) a day's and a month's tallies are kept, 13 people listed, 14 models told apart, 15 life of what was
-- charged (ms), 16.. the five limits (-1: none), 21 whether it is an answer to a person.
-- Gives {limit's number, spent, limit} of each limit whose last fifth was reached by this and not before.
local id, token, attempt, cost = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local person, group = ARGV[9], ARGV[10]
release(id, token)
if cost == 0 and ARGV[6] == '0' and ARGV[7] == '0' then
  return {}
end
if redis.call('HSETNX', KEYS[4], 'paid:' .. token, 1) == 0 then
  return {} -- the answer to this command was lost, and it was sent again
end

-- What an attempt cost that a crash took the answer of, a later one has for nothing: one answer is paid once.
local charged = redis.call('HMGET', KEYS[4], 'attempt', 'owed', 'credit', 'counted')
local owed, credit = tonumber(charged[2] or 0), tonumber(charged[3] or 0)
if attempt > tonumber(charged[1] or 0) then
  credit = owed
end
local used = math.min(credit, cost)
local due = cost - used
redis.call('HSET', KEYS[4], 'attempt', attempt, 'owed', whole(owed + due), 'credit', whole(credit - used), 'counted', 1)
redis.call('PEXPIRE', KEYS[4], ARGV[15])
local requests = (charged[4] or ARGV[21] == '0') and 0 or 1

local function count(key, amount, life)
  redis.call('HINCRBY', key, 'requests', requests)
  redis.call('HINCRBY', key, 'prompt', ARGV[6])
  redis.call('HINCRBY', key, 'completion', ARGV[7])
  redis.call('HINCRBY', key, 'cost', whole(amount))
  redis.call('EXPIRE', key, life)
end

local function by_model(key)
  local model = ARGV[8]
  if redis.call('HEXISTS', key, 'model:' .. model .. ':requests') == 0 then
    if redis.call('HINCRBY', key, 'models', 1) > tonumber(ARGV[14]) then
      model = '*'
    end
  end
  redis.call('HINCRBY', key, 'model:' .. model .. ':requests', requests)
  redis.call('HINCRBY', key, 'model:' .. model .. ':prompt', ARGV[6])
  redis.call('HINCRBY', key, 'model:' .. model .. ':completion', ARGV[7])
  redis.call('HINCRBY', key, 'model:' .. model .. ':cost', whole(cost))
end

count(KEYS[6], due, ARGV[11])
count(KEYS[7], due, ARGV[12])
count(KEYS[9], cost, ARGV[11])
count(KEYS[10], cost, ARGV[12])
by_model(KEYS[9])
by_model(KEYS[10])
if group ~= '' then
  count(KEYS[8], due, ARGV[11])
  count(KEYS[13], due, ARGV[12])
end
for number, life in ipairs({ ARGV[11], ARGV[12] }) do
  local people = KEYS[10 + number]
  redis.call('ZADD', people, ARGV[1], person)
  redis.call('ZREMRANGEBYRANK', people, 0, -1 - tonumber(ARGV[13]))
  redis.call('EXPIRE', people, life)
end

local near = {}
local tallies = { KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10] }
for number = 1, 5 do
  local limit = limit_of(number, ARGV[15 + number], KEYS[5], person)
  if limit > 0 and not (number == 3 and group == '') then
    local spent = tonumber(redis.call('HGET', tallies[number], 'cost') or 0)
    if spent * 5 >= limit * 4 and redis.call('HSETNX', tallies[number], 'warned', 1) == 1 then
      near[#near + 1] = { number, whole(spent), whole(limit) }
    end
  end
end
return near
