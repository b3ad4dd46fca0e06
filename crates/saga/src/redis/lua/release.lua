-- Gives windows back that were not flushed.
-- KEYS  1 due, then for each window: pending, lock
-- ARGV  1 length of the pending keys' prefix, 2 `unavailable` or `failed`, 3 wait in ms, then for each window: owner token
-- Returns 1.
--
-- Invariant: touches only windows whose lock is still ours. A failure is counted in the window's field `failures`, and
-- each doubles the wait, up to 64 times. The first write is DEL, so a full Redis lets the rest through. Repeating it
-- changes nothing, since the lock is gone.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for k = 2, #KEYS, 2 do
  local pending = KEYS[k]
  local lock = KEYS[k + 1]
  local key = string.sub(pending, ARGV[1] + 1)
  if redis.call('GET', lock) == ARGV[3 + k / 2] then
    redis.call('DEL', lock)
    if redis.call('EXISTS', pending) == 0 then
      redis.call('ZREM', KEYS[1], key)
    else
      local wait = ARGV[3]
      if ARGV[2] == 'failed' then
        wait = wait * 2 ^ math.min(redis.call('HINCRBY', pending, 'failures', 1) - 1, 6)
      end
      redis.call('ZADD', KEYS[1], string.format('%.0f', now + wait), key)
    end
  end
end
return 1
