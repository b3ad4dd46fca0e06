-- The entries of a batch are consumed.
-- KEYS  1 leases, 2 claim of this batch
-- ARGV  1 batch
-- Returns 1; 0 when the lease was lost or the batch was acknowledged before.
--
-- After a reclaim there is no claim any more, so a late acknowledgement takes nothing from anybody.
-- Only frees memory, so a full Redis lets it through.
local held = redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return held
