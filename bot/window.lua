-- Puts one exchange at the end of a window, unless it is there already.
-- KEYS[1] the window: a list of exchanges, oldest first
-- ARGV: 1 the exchange; 2 what it begins with; 3 what the exchange begins with that it replaces, or "";
--       4 how many exchanges are kept; 5 how many bytes; 6 for how many milliseconds
-- Returns 1 where the window has changed.
local exchange, mark, replaced = ARGV[1], ARGV[2], ARGV[3]

local function begins(text, with)
  return with ~= '' and string.sub(text, 1, #with) == with
end

redis.call('PEXPIRE', KEYS[1], ARGV[6])
local kept = redis.call('LRANGE', KEYS[1], 0, -1)
local retried = #kept > 0 and begins(kept[#kept], replaced)
if retried then
  table.remove(kept)
end
for number, earlier in ipairs(kept) do
  if begins(earlier, mark) then
    if mark ~= replaced then
      return 0
    end
    -- Asked again after something else was done, such as a drawing: it moves to the end.
    redis.call('LREM', KEYS[1], 1, earlier)
    table.remove(kept, number)
    break
  end
end
if retried then
  redis.call('RPOP', KEYS[1])
end
redis.call('RPUSH', KEYS[1], exchange)

local room, bytes = tonumber(ARGV[4]) - 1, tonumber(ARGV[5]) - #exchange
local first = #kept + 1
while first > 1 and room > 0 and bytes >= #kept[first - 1] do
  first, room, bytes = first - 1, room - 1, bytes - #kept[first - 1]
end
redis.call('LTRIM', KEYS[1], first - 1, -1)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
