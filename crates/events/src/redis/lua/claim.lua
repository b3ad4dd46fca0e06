-- Takes one suspect, or else up to `max` waiting entries, under a lease.
-- KEYS  1 wait, 2 suspect, 3 leases, 4 bell, 5 claim of this batch
-- ARGV  1 batch, 2 max, 3 lease in ms
-- Returns {1 if it is a suspect else 0, entries, oldest first}; nil when there is nothing.
--
-- Invariant: an entry leaves wait or suspect in the same script that puts it into the claim and opens the lease.
-- The same batch again returns the same entries and restarts their lease, so a lost reply is harmless. A repeated
-- claim of a single entry is called a suspect: it may have been one, and being careful costs nothing.
--
-- A full Redis (noeviction) refuses commands that need memory only as long as a script has written nothing. So the
-- first write is one that frees memory (RPOP, ZREM); what follows is then let through. True for scripts without a
-- shebang on 6.2 and 7; a shebang (allow-oom) would need 7.
-- Lua takes nothing back: every type is asked for before the first write.
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]

local held = redis.call('LRANGE', KEYS[5], 0, -1)
if #held > 0 then
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZADD', KEYS[3], string.format('%.0f', deadline), ARGV[1])
  return {#held == 1 and 1 or 0, held}
end

local suspects = redis.call('LLEN', KEYS[2])
local waiting = redis.call('LLEN', KEYS[1])
redis.call('ZCARD', KEYS[3])
local silent = redis.call('LLEN', KEYS[4]) == 0

local entries
if suspects > 0 then
  entries = redis.call('RPOP', KEYS[2], 1)
elseif waiting > 0 then
  entries = redis.call('RPOP', KEYS[1], ARGV[2])
else
  return nil
end
redis.call('RPUSH', KEYS[5], unpack(entries))
redis.call('ZADD', KEYS[3], string.format('%.0f', deadline), ARGV[1])
if silent and suspects + waiting > #entries then
  redis.call('LPUSH', KEYS[4], '1')
end
return {suspects > 0 and 1 or 0, entries}
