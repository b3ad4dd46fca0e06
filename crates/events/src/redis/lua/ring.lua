-- Rings the bell, for who was woken and does not look.
-- KEYS  1 bell
-- Returns 1; 0 when it was ringing already.
--
-- DEL comes first, since it needs no memory: a full Redis then lets LPUSH through (see claim.lua).
if redis.call('LLEN', KEYS[1]) > 0 then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('LPUSH', KEYS[1], '1')
return 1
