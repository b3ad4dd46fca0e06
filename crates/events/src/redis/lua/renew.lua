-- Restarts the lease of a batch.
-- KEYS  1 leases
-- ARGV  1 batch, 2 lease in ms
-- Returns 1; 0 when the lease was lost.
--
-- ZREM comes first, since it frees memory: a full Redis then lets ZADD through (see claim.lua).
local time = redis.call('TIME')
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', deadline), ARGV[1])
return 1
