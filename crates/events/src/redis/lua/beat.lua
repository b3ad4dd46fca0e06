-- Notes that a worker is alive, and forgets those that have not said so for long.
-- KEYS  1 workers of one queue
-- ARGV  1 worker, 2 what to show of it, 3 how long it is remembered, in ms
-- Returns nothing.
--
-- HDEL comes first, since it frees memory: a full Redis then lets HSET through (see claim.lua).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], ARGV[1])
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
  local seen = tonumber(string.match(all[index + 1], '^(%d+)|'))
  if not seen or seen + ARGV[3] < now then
    redis.call('HDEL', KEYS[1], all[index])
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f|%s', now, ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return nil
