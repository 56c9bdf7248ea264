-- Moves tokens that nobody renewed to a consumer.
-- KEYS ready
-- ARGV group, consumer, idle of other consumers' tokens (ms), idle of its own tokens (ms), most
-- Returns a token and a conversation for each.
local ready, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local theirs, own, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local adopted, from = {}, '-'

repeat
  local page = redis.call('XPENDING', ready, group, 'IDLE', math.min(theirs, own), from, '+', 100)
  for _, pending in ipairs(page) do
    local token, owner, idle = pending[1], pending[2], pending[3]
    if idle >= (owner == consumer and own or theirs) and #adopted < 2 * most then
      local entry = redis.call('XCLAIM', ready, group, consumer, 0, token)[1]
      if entry then
        table.insert(adopted, entry[1])
        table.insert(adopted, entry[2][2])
      else
        redis.call('XACK', ready, group, token) -- somebody deleted the entry by hand
      end
    end
    from = '(' .. token
  end
until #page < 100 or #adopted >= 2 * most
return adopted
