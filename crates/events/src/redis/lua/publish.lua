-- Appends entries to a queue: all of them or none.
-- KEYS  1 wait, 2 bell
-- ARGV  the entries, the one to be claimed first in front
-- Returns how many entries wait now.
--
-- The push is the first write, so a full Redis (noeviction) refuses it before anything has changed. Run twice it makes
-- copies, which are harmless: an effect is taken off the ledger once. So it is not repeated after a lost reply.
-- No type error can come after the first write, since Lua takes nothing back: types are asked for before.
redis.call('LLEN', KEYS[1])
local silent = redis.call('LLEN', KEYS[2]) == 0

-- Lua cannot unpack more than some 8,000 values.
for first = 1, #ARGV, 1000 do
  redis.call('LPUSH', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if silent and #ARGV > 0 then
  redis.call('LPUSH', KEYS[2], '1')
end
return redis.call('LLEN', KEYS[1])
