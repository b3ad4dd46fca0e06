-- Makes a window due at once.
-- KEYS  1 due, 2 pending, 3 lock
-- ARGV  1 key of the window
-- Returns 1, or 0 when there is no such window.
--
-- Invariant: the time of a locked window stays: its owner is flushing it, and makes it due again if something is left. The
-- first write is ZREM, so a full Redis lets the rest through.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  local time = redis.call('TIME')
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
end
return 1
