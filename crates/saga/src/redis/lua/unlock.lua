-- Frees a lock.
-- KEYS  1 lock
-- ARGV  1 owner token
-- Returns 1, or 0 when it is not ours (any more).
--
-- Invariant: nobody else's lock is freed.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
