-- Agrees on a value, such as the number of partitions: the first caller decides, and all others must have the same.
-- KEYS  1 partitions, or deployment
-- ARGV  1 the caller's value
-- Returns the value that holds.
--
-- DEL comes first, since it needs no memory: a full Redis then lets SET through (see claim.lua).
local agreed = redis.call('GET', KEYS[1])
if agreed then
  return agreed
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
