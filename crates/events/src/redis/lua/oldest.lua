-- KEYS  1 wait
-- Returns the entry that is claimed next; nil when there is none.
return redis.call('LINDEX', KEYS[1], -1)
