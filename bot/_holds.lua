-- What is set aside for running requests. KEYS[1] holds: id by its end. KEYS[2] hold: id -> its record.
-- KEYS[3] held: the sums: n:<person> requests, p:<person>, g:<group>, t money.
local function whole(number)
  return string.format('%.0f', number)
end

local function add(field, amount)
  if amount ~= 0 and redis.call('HINCRBY', KEYS[3], field, whole(amount)) <= 0 then
    redis.call('HDEL', KEYS[3], field)
  end
end

local function change(record, sign)
  add('n:' .. record.person, sign * record.count)
  add('p:' .. record.person, sign * record.amount)
  if record.group ~= '' then
    add('g:' .. record.group, sign * record.amount)
  end
  add('t', sign * record.amount)
end

-- Give up a hold; with a token only where the hold is still that one's.
local function release(id, token)
  local text = redis.call('HGET', KEYS[2], id)
  if not text then
    return
  end
  local record = cjson.decode(text)
  if token and record.token ~= token then
    return
  end
  change(record, -1)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[1], id)
end

-- The five limits, and where the sum stands that each bounds. A person's own, set at run time, beats the settings'.
local SCOPES = { 'person_day', 'person_month', 'group_day', 'total_day', 'total_month' }

local function limit_of(number, given, budgets, person)
  local own = number <= 2 and redis.call('HGET', budgets, person .. (number == 1 and ':day' or ':month'))
  if own then
    return tonumber(own)
  end
  return tonumber(given)
end
