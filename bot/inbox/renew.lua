-- Renews leases. An interrupt whose news was lost on the way is told again.
-- KEYS ready, then a journal for each lease
-- ARGV group, channel, then consumer, token, fence and conversation for each
-- Returns the tokens that are still ours.
local ready, group = KEYS[1], ARGV[1]
local ours = {}

for number = 1, #KEYS - 1 do
  local journal, at = KEYS[number + 1], 4 * number - 1
  local consumer, token, fence, conversation = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if owns(ready, group, consumer, token, journal, fence) then
    redis.call('XCLAIM', ready, group, consumer, 0, token, 'JUSTID')
    table.insert(ours, token)
    if redis.call('HEXISTS', journal, 'stopped') == 1 then
      local withdrawn = redis.call('HEXISTS', journal, 'withdrawn') == 1
      local message = redis.call('HGET', journal, 'message')
      redis.call('PUBLISH', ARGV[2], cjson.encode({conversation, message, withdrawn}))
    end
  end
end
return ours
