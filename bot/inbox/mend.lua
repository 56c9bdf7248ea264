-- Gives each active conversation its token, where the stream of tokens was lost without the rest.
-- KEYS active, ready
if redis.call('XLEN', KEYS[2]) == 0 then
  for _, conversation in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    redis.call('XADD', KEYS[2], '*', 'conversation', conversation)
  end
end
