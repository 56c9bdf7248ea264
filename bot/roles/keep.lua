-- Keeps a role, new or with another prompt. KEYS[1]: the owner's roles.
-- ARGV: how ('add' or 'edit'), the name's digest, the label (JSON), the prompt, the most roles, the life in ms.
-- Returns 'kept', 'taken' (add: there is another of that name; edit: there is none of that author) or 'full'.
local label, prompt = 'label:' .. ARGV[2], 'prompt:' .. ARGV[2]
local there = redis.call('HGET', KEYS[1], label)
if ARGV[1] == 'edit' then
  if not there or cjson.decode(there).author ~= cjson.decode(ARGV[3]).author then return 'taken' end
elseif there then
  -- The same again: the command was sent twice, or the message is answered a second time.
  local same = there == ARGV[3] and redis.call('HGET', KEYS[1], prompt) == ARGV[4]
  if not same then return 'taken' end
elseif redis.call('HLEN', KEYS[1]) >= 2 * tonumber(ARGV[5]) then
  return 'full'
end
redis.call('HSET', KEYS[1], label, there or ARGV[3], prompt, ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 'kept'
