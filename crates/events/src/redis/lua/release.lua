-- Gives the entries of a batch back to where they came from, to be claimed next and in order.
-- KEYS  1 wait or suspect, 2 leases, 3 bell, 4 claim of this batch
-- ARGV  1 batch
-- Returns how many entries went back: 0 when the lease was lost or they were given back before.
--
-- Invariant: an entry leaves the claim in the same script that puts it back.
-- ZREM comes first, since it frees memory: a full Redis then lets the rest through (see claim.lua).
redis.call('LLEN', KEYS[1])
local silent = redis.call('LLEN', KEYS[3]) == 0
redis.call('LLEN', KEYS[4])

redis.call('ZREM', KEYS[2], ARGV[1])
local count = 0
while true do
  -- The newest is popped first, so the oldest ends at the pop end.
  local entries = redis.call('RPOP', KEYS[4], 100)
  if not entries then
    break
  end
  redis.call('RPUSH', KEYS[1], unpack(entries))
  count = count + #entries
end
if silent and count > 0 then
  redis.call('LPUSH', KEYS[3], '1')
end
return count
