-- Put before the scripts that only a token's present owner may run.

-- A lease is ours while its token is pending for our consumer, and its fence is the one that the latest take put
-- into the journal: a token that was lost and came back to the same consumer has another.
local function owns(ready, group, consumer, token, journal, fence)
  local pending = redis.pcall('XPENDING', ready, group, token, token, 1)
  if pending.err or not pending[1] or pending[1][2] ~= consumer then
    return false -- an error means that the group is gone, and every lease with it
  end
  return redis.call('HGET', journal, 'fence') == fence
end
